//! The embedded world of `tidegate demo`.
