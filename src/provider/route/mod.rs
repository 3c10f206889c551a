//! Routes: one file a kind.

pub mod dns;
pub mod haproxy;
