//! stdout is data, stderr is for people. With `--json` the last line of stdout is one JSON object, whatever
//! happens; a reader that went away is no reason to fail.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use super::exit::Failure;

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// One JSON object instead of text.
    pub json: bool,
    /// Only errors and results.
    pub quiet: bool,
}

impl Out {
    /// The result: the text, or the object.
    pub fn result(self, value: &impl Serialize, text: &str) {
        if self.json {
            self.json(value);
        } else {
            self.data(text);
        }
    }

    /// Text onto stdout, with a line break at its end. Nothing with `--json`.
    pub fn data(self, text: &str) {
        if !self.json {
            write(&format!("{}\n", text.trim_end_matches('\n')));
        }
    }

    /// Words for a person onto stderr. Nothing with `--quiet`.
    pub fn say(self, text: &str) {
        if !self.quiet {
            anstream::eprintln!("{}", text.trim_end_matches('\n'));
        }
    }

    /// An error: for a person always, for a machine where asked.
    pub fn failure(self, failure: &Failure) {
        anstream::eprintln!("tidegate: {}", failure.text());
        if self.json {
            self.json(&failure.json());
        }
    }

    fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => write(&format!("{line}\n")),
            Err(error) => anstream::eprintln!("tidegate: the result cannot be written as JSON: {error}"),
        }
    }
}

fn write(text: &str) {
    let mut out = anstream::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        anstream::eprintln!("tidegate: stdout cannot be written: {error}");
    }
}
