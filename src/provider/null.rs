//! A provider that drives nothing.
