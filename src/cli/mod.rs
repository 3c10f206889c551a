//! The command line: a file per command.

pub mod demo;
pub mod load;
