//! What teams have without Tidegate: an Ansible playbook for each way, with what makes Ansible fast turned on.
//!
//! Kept connections, pipelining, no facts, both load balancers at once, and waits of a tenth of a second inside one
//! task instead of Ansible's own retries of whole seconds: glue is seldom written better.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::harness::{Child, Finished};
use crate::lab::{Lab, target_folder};

/// What is installed, from PyPI; it holds the modules that the playbooks need.
const PACKAGE: &str = "ansible-core>=2.19,<2.20";
/// How long installing may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// How long a playbook may take.
const PLAYBOOK_LIMIT: Duration = Duration::from_secs(120);

/// Ansible, set up for one lab. Its kept connections are ended when it is dropped.
#[derive(Debug)]
pub(super) struct Ansible<'a> {
    lab: &'a Lab,
    programs: PathBuf,
    folder: PathBuf,
}

impl<'a> Ansible<'a> {
    /// Installs Ansible into the target folder where it is not there yet, and writes its files into the lab's.
    pub(super) fn install(lab: &'a Lab) -> Result<Self> {
        let home = target_folder()?.join("bench").join("ansible");
        let programs = home.join("bin");
        // The last thing that installing makes: half an installation is none.
        let done = home.join("installed");
        if !done.exists() {
            eprintln!("bench: installing {PACKAGE} from PyPI");
            install(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
            let pip = programs.join("pip");
            install(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", PACKAGE]))?;
            fs::write(&done, PACKAGE).with_context(|| format!("could not write {}", done.display()))?;
        }
        let ansible = Self { lab, programs, folder: lab.dir().join("ansible") };
        ansible.write_files()?;
        Ok(ansible)
    }

    fn write_files(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("could not make {}", self.folder.display()))?;
        let write = |name: &str, text: &str| {
            let path = self.folder.join(name);
            fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))
        };
        let group = |name: &str, hosts: &[&str]| format!("[{name}]\n{}\n\n", hosts.join("\n"));
        let inventory = group("nodes", &self.lab.node_names()) + &group("balancers", &self.lab.balancer_names());
        write("inventory.ini", &inventory)?;
        write("drain.yml", include_str!("../../files/ansible/drain.yml"))?;
        write("restore.yml", include_str!("../../files/ansible/restore.yml"))?;
        write(
            "ansible.cfg",
            &format!(
                "[defaults]\ninventory = {folder}/inventory.ini\ninterpreter_python = /usr/bin/python3\n\
                 retry_files_enabled = false\nlocal_tmp = {folder}/tmp\n\n\
                 [ssh_connection]\npipelining = true\ncontrol_path_dir = {folder}/cp\n\
                 ssh_args = -F {ssh} -o ControlMaster=auto -o ControlPersist=60s\n",
                folder = self.folder.display(),
                ssh = self.lab.ssh_config().display()
            ),
        )
    }

    /// Runs one of the two playbooks for a node, from the control namespace.
    pub(super) fn play(&self, playbook: &str, node: &str) -> Result<Finished> {
        let mut command = self.program("ansible-playbook")?;
        command.arg(self.folder.join(playbook)).args(["--extra-vars", &format!("node={node}")]);
        let finished = Child::start(&mut command, Stdio::null())?.finish(PLAYBOOK_LIMIT)?;
        if !finished.status.success() {
            bail!("{playbook} failed: {}{}", finished.stdout, finished.stderr);
        }
        Ok(finished)
    }

    /// Its version, in its own words.
    pub(super) fn version(&self) -> Result<String> {
        let finished =
            Child::start(self.program("ansible")?.arg("--version"), Stdio::null())?.finish(PLAYBOOK_LIMIT)?;
        Ok(finished.stdout.lines().next().unwrap_or_default().to_owned())
    }

    fn program(&self, name: &str) -> Result<Command> {
        let mut command = self.lab.command_in("control", &self.programs.join(name).display().to_string())?;
        command.env("ANSIBLE_CONFIG", self.folder.join("ansible.cfg")).env("ANSIBLE_HOME", self.folder.join("home"));
        command.env("LC_ALL", "C.UTF-8").current_dir(&self.folder);
        Ok(command)
    }

    /// Ends the connections that ssh keeps open.
    fn disconnect(&self) -> Result<()> {
        let config = self.lab.ssh_config().display().to_string();
        for entry in sockets(&self.folder.join("cp")) {
            let path = format!("ControlPath={}", entry.display());
            // The host's name is not looked at: the socket says which connection is meant.
            let mut command = self.lab.command_in("control", "ssh")?;
            command.args(["-F", &config, "-o", &path, "-O", "exit", "node-1"]);
            Child::start(&mut command, Stdio::null())?.finish(Duration::from_secs(5))?;
        }
        Ok(())
    }
}

impl Drop for Ansible<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.disconnect() {
            eprintln!("bench: ssh connections end by themselves within a minute: {error:#}");
        }
    }
}

fn sockets(folder: &Path) -> Vec<PathBuf> {
    // The folder is not there before the first connection.
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn install(command: &mut Command) -> Result<()> {
    let finished = Child::start(command, Stdio::null())?.finish(INSTALL_LIMIT)?;
    if !finished.status.success() {
        bail!("{command:?} ended with {}: {}", finished.status, finished.stderr.trim());
    }
    Ok(())
}
