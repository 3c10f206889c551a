//! A program at a terminal, where somebody types.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The longest that a question, and then the end, is waited for.
const LIMIT: Duration = Duration::from_secs(120);

/// A program that believes to be at a terminal: `script` of bsdutils gives it one.
#[derive(Debug)]
pub struct Terminal {
    process: Child,
    said: Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    /// Starts it there.
    pub fn open(command: &Command) -> Result<Self> {
        let line: Vec<String> = [command.get_program()].into_iter().chain(command.get_args()).map(quoted).collect();
        let mut process = Command::new("script")
            .args(["-qec", &line.join(" "), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("script of bsdutils cannot be run")?;
        let mut stdout = process.stdout.take().context("no output")?;
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut block) {
                // Nobody may be left to read it.
                let _ = sender.send(block.get(..count).unwrap_or_default().to_vec());
            }
        });
        Ok(Self { process, said, text: String::new() })
    }

    /// Waits for a question, types the answer, and waits for the end: the exit code, and all that was on the screen.
    pub fn answer(mut self, question: &str, answer: &str) -> Result<(i32, String)> {
        let deadline = Instant::now() + LIMIT;
        while !self.text.contains(question) {
            if !self.listen(deadline)? {
                bail!("nothing was asked: {}", self.text);
            }
        }
        let mut stdin = self.process.stdin.take().context("no keyboard")?;
        stdin.write_all(format!("{answer}\r").as_bytes())?;
        while self.listen(deadline)? {}
        let code = self.process.wait()?.code().unwrap_or(-1);
        Ok((code, self.text.clone()))
    }

    /// Takes in what is said; whether more may come.
    fn listen(&mut self, deadline: Instant) -> Result<bool> {
        match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => {
                self.text += &String::from_utf8_lossy(&bytes);
                Ok(true)
            }
            Err(RecvTimeoutError::Disconnected) => Ok(false),
            Err(RecvTimeoutError::Timeout) => bail!("it was not over within {LIMIT:?}: {}", self.text),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both do nothing where its end was already waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_sees_a_terminal_and_what_is_typed() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -t 0 && test -t 1 && printf \"it's? \" && read x && echo got $x && exit 7"]);
        let (code, said) = Terminal::open(&command).expect("it starts").answer("it's?", "this one").expect("it ends");
        assert!(code == 7 && said.contains("got this one"), "{code}: {said}");
    }
}
