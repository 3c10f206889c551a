//! The lab's network: a bridge in a namespace of its own, and one cable from it to every host.
//!
//! This machine's root namespace holds neither an address nor an interface of the lab, so a lab cannot disturb
//! it, and two labs with the same addresses cannot meet.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::layout::{HOSTS, Host, Layout, Role};
use super::route_network;
use super::shell::{feed, run, tool};

/// The namespace that holds nothing but the bridge.
const BRIDGE: &str = "bridge";

/// Makes the bridge and the namespaces that are no machines; machines are cabled when they get power.
pub(crate) fn create(layout: &Layout, routes: bool) -> Result<()> {
    let bridge = layout.netns(BRIDGE);
    let alone = alone()?;
    run(&mut tool("ip", &["netns", "add", &bridge]))?;
    drop(alone);
    let script = "link add br0 type bridge forward_delay 0 stp_state 0\nlink set br0 up\nlink set lo up\n";
    feed(&mut tool("ip", &["-n", &bridge, "-batch", "-"]), script)?;
    for host in HOSTS.iter().filter(|host| host.role == Role::Namespace) {
        cable(layout, host, routes)?;
    }
    Ok(())
}

/// Gives a host a fresh namespace and a cable to the bridge. What was in an older namespace of the same name
/// (sockets, packet filters) is gone, as after a power loss on metal.
pub(crate) fn cable(layout: &Layout, host: &Host, routes: bool) -> Result<()> {
    let (bridge, netns) = (layout.netns(BRIDGE), layout.netns(host.name));
    uncable(layout, host);
    run(&mut tool("ip", &["netns", "add", &netns]))?;
    let name = host.name;
    let script = format!("link add {name} type veth peer name eth0 netns {netns}\nlink set {name} master br0 up\n");
    feed(&mut tool("ip", &["-n", &bridge, "-batch", "-"]), &script)?;
    let script = format!("addr add {}/24 dev eth0\nlink set lo up\nlink set eth0 up\n", host.address);
    feed(&mut tool("ip", &["-n", &netns, "-batch", "-"]), &script)?;
    if routes { route_network::prepare(layout, host) } else { Ok(()) }
}

/// Takes a host's cable and namespace away, where they are there.
pub(crate) fn uncable(layout: &Layout, host: &Host) {
    let (bridge, netns) = (layout.netns(BRIDGE), layout.netns(host.name));
    // Both may be missing already; what counts is that they are gone afterwards.
    let _ = run(&mut tool("ip", &["-n", &bridge, "link", "del", host.name]));
    if layout.netns_file(host.name).exists() {
        let _ = run(&mut tool("ip", &["netns", "del", &netns]));
    }
}

/// Sets a host's cable, at the bridge's end: `down` is a pulled plug, and the host sees no carrier.
pub(crate) fn plug(layout: &Layout, host: &str, state: &str) -> Result<()> {
    run(&mut tool("ip", &["-n", &layout.netns(BRIDGE), "link", "set", host, state]))?;
    Ok(())
}

/// Whether a host's cable is plugged in.
pub(crate) fn plugged(layout: &Layout, host: &str) -> bool {
    run(&mut tool("ip", &["-n", &layout.netns(BRIDGE), "link", "show", "up", "dev", host]))
        .is_ok_and(|output| !output.stdout.is_empty())
}

/// Removes every namespace of this lab, and the mount that `ip netns` leaves when it was the last one.
pub(crate) fn destroy(layout: &Layout) -> Result<()> {
    let names = HOSTS.iter().map(|host| host.name).chain([BRIDGE]);
    for name in names.filter(|name| layout.netns_file(name).exists()) {
        let netns = layout.netns(name);
        if run(&mut tool("ip", &["netns", "del", &netns])).is_err() {
            // A cut `ip netns add` leaves a plain file, which `ip netns del` refuses.
            fs::remove_file(layout.netns_file(name))?;
        }
    }
    let _alone = alone()?;
    let folder = Path::new("/run/netns");
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
        let _ = run(&mut tool("umount", &["/run/netns"]));
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Held while a lab makes its first namespace, or removes the folder of all namespaces: another lab that comes up at that
/// moment would lose its own with it.
fn alone() -> Result<File> {
    let run = File::open("/run").context("could not open /run")?;
    run.lock().context("could not lock /run")?;
    Ok(run)
}

/// The kernel's ids of this lab's namespaces, to tell which processes live in them.
pub(crate) fn ids(layout: &Layout) -> Vec<u64> {
    let names = HOSTS.iter().map(|host| host.name).chain([BRIDGE]);
    names.filter_map(|name| id(layout, name)).collect()
}

/// The kernel's id of one host's namespace.
pub(crate) fn id(layout: &Layout, host: &str) -> Option<u64> {
    fs::metadata(layout.netns_file(host)).ok().map(|file| file.ino())
}
