//! Running programs in the lab: inside a machine, or in a namespace with this machine's file system.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::layout::{Role, find};
use super::shell::{self, Answer};
use super::{Lab, cgroup, switch};

impl Lab {
    /// A command that will run `program` on a host: in `control` and `client` with this machine's files, in a
    /// machine with its own. Add arguments, then run it in any way `Command` offers.
    pub fn command_in(&self, host: &str, program: &str) -> Result<Command> {
        let mut command = Command::new("nsenter");
        if find(host)?.role == Role::Namespace {
            let netns = self.layout.netns_file(host);
            command.arg(format!("--net={}", netns.display()));
            if self.options.routes {
                // The lab's resolver in place of this machine's, for this command and what it starts.
                let script = "mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"";
                command.args(["--", "unshare", "--mount", "--propagation", "private", "sh", "-euc", script]);
                command.arg(self.layout.file("resolv.conf")).arg(program);
                return Ok(command);
            }
        } else {
            let leader = self.leader(host)?;
            command.args(["--target", &leader.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid"]);
            // A machine knows nothing of this machine's environment, and should not learn it.
            command.env_clear();
            command.envs([
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                ("HOME", "/root"),
                ("LANG", "C.UTF-8"),
                ("TERM", "dumb"),
            ]);
        }
        command.arg("--").arg(program);
        Ok(command)
    }

    /// Runs a command on a host; an exit code other than 0 is an error that quotes what it said.
    pub fn exec(&self, host: &str, line: &[&str]) -> Result<Output> {
        shell::run(&mut self.line(host, line)?)
    }

    /// Runs a command on a host and hands back whatever came out of it, exit code included.
    pub fn output(&self, host: &str, line: &[&str]) -> Result<Output> {
        shell::output(&mut self.line(host, line)?)
    }

    /// Runs a shell script on a host, up to the first command that fails, and hands back its stdout.
    pub fn shell(&self, host: &str, script: &str) -> Result<String> {
        let output = self.exec(host, &["sh", "-euc", script])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// A connection from a host's network, for this process to use: a client of many connections needs no process of
    /// its own there.
    pub fn connect_from(&self, host: &str, to: SocketAddr, limit: Duration) -> Result<TcpStream> {
        self.in_network(host, move || TcpStream::connect_timeout(&to, limit))
            .with_context(|| format!("no connection from {host} to {to}"))
    }

    /// A listener in a host's network, at its address and a port that was free, for this process to answer.
    pub fn listen_on(&self, host: &str) -> Result<TcpListener> {
        let at = SocketAddr::from((self.address(host)?, 0));
        self.in_network(host, move || TcpListener::bind(at)).with_context(|| format!("nothing can listen on {host}"))
    }

    /// Makes a socket in a host's network. It stays in the network in which it was made; the thread that made it there
    /// ends with this call.
    fn in_network<T: Send + 'static>(
        &self,
        host: &str,
        make: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let netns = self.layout.netns_file(find(host)?.name);
        let namespace = File::open(&netns).with_context(|| format!("could not open {}", netns.display()))?;
        let making = move || -> Result<T> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .context("could not enter the network")?;
            Ok(make()?)
        };
        match thread::spawn(making).join() {
            Ok(made) => made,
            Err(_) => bail!("the thread that makes a socket on {host} broke"),
        }
    }

    /// Every process of the lab's machines and of its supervisor, as this machine numbers them.
    pub(crate) fn processes(&self) -> Vec<i32> {
        cgroup::processes(&self.layout.cgroup())
    }

    /// PID 1 of a machine, as this machine numbers it.
    pub fn leader(&self, machine: &str) -> Result<i32> {
        switch::machines(&self.layout)?
            .into_iter()
            .find(|power| power.name == machine)
            .and_then(|power| power.leader)
            .with_context(|| format!("{machine} is off; `lab.power_on` gives it power"))
    }

    /// Looks again every 100 ms until `look` says true, for at most `limit`; a failed look is a "not yet".
    pub fn until(&self, what: &str, limit: Duration, mut look: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        self.wait(what, limit, |lab| {
            Ok(if look(lab)? { Answer::Yes } else { Answer::NotYet("it is not so yet".to_owned()) })
        })
    }

    /// Looks again every 100 ms until the answer is yes, for at most `limit`.
    pub(crate) fn wait(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Self) -> Result<Answer>,
    ) -> Result<()> {
        shell::wait_until(what, limit, Duration::from_millis(100), || look(self))
    }

    fn line(&self, host: &str, line: &[&str]) -> Result<Command> {
        let (program, arguments) = line.split_first().context("no command to run")?;
        let mut command = self.command_in(host, program)?;
        command.args(arguments);
        Ok(command)
    }
}
