//! The command line: a file per command.

pub mod load;
