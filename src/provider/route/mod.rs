//! Routes: one file a kind.

pub mod haproxy;
