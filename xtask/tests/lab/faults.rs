//! What the faults of a lab do, that a reset undoes them, and that nothing is left of it.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::lab::{Haproxy, Lab, Options};

use super::{Removed, code, nothing_left, prefix, within};

fn online(lab: &Lab, node: &str) -> Result<bool> {
    Ok(lab.cluster()?.nodes.iter().any(|member| member.name == node && member.online))
}

fn boots(lab: &Lab, machine: &str) -> Result<u32> {
    let hosts = lab.status()?.hosts;
    Ok(hosts.iter().find(|host| host.name == machine).map_or(0, |host| host.boots))
}

#[test]
#[ignore = "boots five machines; needs root"]
fn a_lab_breaks_on_command_heals_and_leaves_nothing() -> Result<()> {
    let _removed = Removed;
    let options = Options { prefix: prefix(), ..Options::default() };
    let lab = Lab::up(options.clone())?;
    ensure!(Lab::up(options).is_err(), "a lab that is up is not started again");

    // Access as the product has it: ssh from the control namespace, and D-Bus through it.
    let config = lab.ssh_config().display().to_string();
    for host in ["node-1", "node-2", "node-3", "lb-1", "lb-2"] {
        let output = lab.exec("control", &["ssh", "-F", &config, host, "hostname"])?;
        ensure!(output.stdout == format!("{host}\n").as_bytes(), "ssh {host}");
    }
    let hello = r"printf '\0AUTH EXTERNAL 30\r\n' | timeout 2 systemd-stdio-bridge | head -c 2";
    ensure!(lab.exec("control", &["ssh", "-F", &config, "node-2", hello])?.stdout == b"OK", "D-Bus over ssh");
    ensure!(lab.output("node-1", &["sh", "-c", "exit 7"])?.status.code() == Some(7), "exit codes pass");

    // The application and its switches; its own log tells.
    let ready = format!("http://{}:8080/ready", lab.address("node-2")?);
    ensure!(code(&lab, "control", &ready)? == "200");
    lab.set_switch("node-2", "not-ready", "")?;
    ensure!(code(&lab, "control", &ready)? == "503");
    ensure!(lab.app_log("node-2")?.contains(" /ready 503 "), "the log tells the 503");

    // One-way packet loss, a pulled cable, a hang.
    lab.block("control", "node-3")?;
    let third = format!("http://{}:8080/", lab.address("node-3")?);
    ensure!(code(&lab, "control", &third)? == "000", "blocked");
    ensure!(code(&lab, "client", &third)? == "200", "blocked for one host only");
    lab.unblock("control", "node-3")?;
    ensure!(code(&lab, "control", &third)? == "200", "unblocked");
    lab.link_down("client")?;
    ensure!(code(&lab, "client", &third)? == "000", "no cable");
    lab.pause_unit("node-1", "app.service")?;
    let first = format!("http://{}:8080/", lab.address("node-1")?);
    ensure!(code(&lab, "control", &first)? == "000", "paused");
    lab.pause("lb-1")?;
    ensure!(code(&lab, "client", &format!("http://{}/", lab.address("lb-1")?))? == "000", "hung");
    lab.stop_lb("lb-2")?;
    lab.exec("node-1", &["pcs", "node", "standby", "node-3"])?;
    lab.exec("node-1", &["pcs", "property", "set", "maintenance-mode=true"])?;
    for lifetime in ["forever", "reboot"] {
        let name = format!("tidegate-{lifetime}");
        lab.exec("node-2", &["crm_attribute", "-N", "node-2", "-n", &name, "-v", "1", "-l", lifetime])?;
    }
    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset after many faults: {:.1?}", started.elapsed());
    let attributes = lab.exec("node-1", &["cibadmin", "--query"])?.stdout;
    ensure!(!String::from_utf8_lossy(&attributes).contains("tidegate-"), "attributes are gone");
    for url in [&ready, &third, &first] {
        ensure!(code(&lab, "client", url)? == "200", "{url} after the reset");
    }
    ensure!(code(&lab, "client", &format!("http://{}/", lab.address("lb-2")?))? == "200");

    // A standby alone cuts a long request, and the logs prove it.
    let slow = format!("http://{}:8080/slow?ms=20000", lab.address("node-3")?);
    let mut long = lab.command_in("client", "curl")?.args(["-s", "-o", "/dev/null", &slow]).spawn()?;
    sleep(Duration::from_millis(300));
    lab.exec("node-1", &["pcs", "node", "standby", "node-3"])?;
    ensure!(!long.wait()?.success(), "the client is told of nothing good");
    let cut = lab.app_requests("node-3")?.into_iter().find(|request| request.status == 0);
    let stopped = lab.app_stopped("node-3")?;
    ensure!(cut.is_some_and(|cut| stopped.is_some_and(|at| cut.start < at && at <= cut.end)), "cut by the stop");

    // A reload forgets a drain, unless HAProxy was told to keep its state.
    let state = |lab: &Lab| -> Result<String> {
        let servers = lab.servers("lb-1")?;
        Ok(servers.into_iter().find(|server| server.name == "node-1").map_or_else(String::new, |server| server.status))
    };
    let worker = |lab: &Lab| -> Result<Option<String>> {
        Ok(lab.haproxy("lb-1", "show info")?.lines().find(|line| line.starts_with("Pid:")).map(str::to_owned))
    };
    for (state_file, expected) in [(false, "UP"), (true, "DRAIN")] {
        lab.reset()?;
        lab.balance(&Haproxy { state_file, ..Haproxy::default() })?;
        lab.haproxy("lb-1", "set server app/node-1 state drain")?;
        ensure!(state(&lab)? == "DRAIN", "drained");
        let before = worker(&lab)?;
        lab.reload_lb("lb-1")?;
        within(5, "the reload is over", || Ok(worker(&lab)? != before))?;
        ensure!(state(&lab)? == expected, "{expected} after a reload with state_file = {state_file}");
    }

    // What a test leaves running in a namespace ends with the reset.
    let mut left = lab.command_in("control", "sleep")?.arg("1000").spawn()?;
    // It has entered the namespace once it is the program itself.
    let name = format!("/proc/{}/comm", left.id());
    within(5, "it runs there", || Ok(std::fs::read_to_string(&name)?.trim() == "sleep"))?;
    lab.reset()?;
    ensure!(!left.wait()?.success(), "it was ended");

    // A crash of the application: the reset does not wait for the cluster's monitor to find it.
    lab.kill_unit("node-2", "app.service")?;
    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset after a crash: {:.1?}", started.elapsed());

    // A load balancer without power; cut again while it boots.
    lab.power_off("lb-2")?;
    lab.power_on("lb-2")?;
    lab.power_off("lb-2")?;
    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset with a load balancer off: {:.1?}", started.elapsed());

    // A reboot from within, a fence, a power loss with its fence.
    let before = boots(&lab, "node-2")?;
    let _ = lab.output("node-2", &["systemctl", "reboot"])?;
    within(20, "node-2 boots again by itself", || Ok(boots(&lab, "node-2")? == before + 1))?;
    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset after a reboot: {:.1?}", started.elapsed());
    let before = boots(&lab, "node-3")?;
    let started = Instant::now();
    lab.exec("node-1", &["stonith_admin", "--reboot", "node-3", "--timeout", "30"])?;
    ensure!(boots(&lab, "node-3")? == before + 1, "fenced");
    lab.reset()?;
    eprintln!("  fence and reset: {:.1?}", started.elapsed());
    let before = boots(&lab, "node-1")?;
    lab.power_off("node-1")?;
    within(20, "the cluster sees the power loss", || Ok(!online(&lab, "node-1")?))?;
    within(30, "and its fencing gives power again", || Ok(boots(&lab, "node-1")? > before))?;
    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset after a power loss: {:.1?}", started.elapsed());

    Lab::down(&prefix())?;
    Lab::down(&prefix())?;
    nothing_left()
}

#[test]
#[ignore = "boots five machines; needs root"]
fn a_lab_whose_supervisor_was_killed_is_recognised_and_removed() -> Result<()> {
    let _removed = Removed;
    let options = Options { prefix: prefix(), ..Options::default() };
    let lab = Lab::up(options.clone())?;
    let group = format!("tidegate-lab-{}/supervisor", prefix());
    let pids = Command::new("sh")
        .args(["-c", &format!("cat /sys/fs/cgroup/{group}/cgroup.procs /sys/fs/cgroup/*/{group}/cgroup.procs")])
        .output()?;
    let pids = String::from_utf8_lossy(&pids.stdout).into_owned();
    let pid = pids.lines().next().unwrap_or_default();
    ensure!(Command::new("kill").args(["-KILL", pid]).status()?.success());
    ensure!(Lab::attach(&prefix()).is_err(), "no lab without its supervisor");
    drop(lab);
    Lab::up(options)?;
    Lab::down(&prefix())?;
    nothing_left()
}
