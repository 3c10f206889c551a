//! `tidegate window`: the TTL of a real zone ahead of a planned window and after it, on the primary and the secondary.

use anyhow::{Context, Result, ensure};
use xtask::lab::{Lab, TidegateConfig};

use crate::{
    stage::{NODE, Routes, Running, run, text, tidegate, within},
    underway::{SECONDARY, by_name, records},
};

/// The name's usual TTL in the lab is 2 s.
fn windowed() -> TidegateConfig {
    TidegateConfig { route_extra: "ttl-during-maintenance = \"1s\"\n".into(), ..by_name() }
}

/// The TTLs that a server answers with, each once.
fn ttls(lab: &Lab, server: &str) -> Result<Vec<String>> {
    let said = lab.dig(server, "app", "A")?;
    let ttl = |line: &String| line.split_whitespace().nth(1).map(str::to_owned);
    let mut ttls: Vec<String> = said.iter().map(ttl).collect::<Option<_>>().context("no TTL")?;
    ttls.sort();
    ttls.dedup();
    Ok(ttls)
}

fn at_both(lab: &Lab, ttl: &str) -> Result<()> {
    for server in ["dns-1", "dns-2"] {
        ensure!(ttls(lab, server)? == [ttl], "{server} has {:?}, not {ttl}", ttls(lab, server)?);
    }
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_window_lowers_the_ttl_on_every_server_and_puts_it_back() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let tidegate = tidegate(lab, "window.toml", &windowed())?;
        let before = records(lab, "app", "A")?;
        at_both(lab, "2")?;
        let opened = run(&tidegate, 0, &["window", "open", "--json"])?;
        let route = &opened["routes"][0];
        ensure!(route["ttl_s"] == 1 && route["former_s"] == 2 && opened["result"] == "done", "{opened}");
        at_both(lab, "1")?;
        let serial = lab.serial("dns-1")?;
        run(&tidegate, 0, &["window", "open", "--json"])?;
        ensure!(lab.serial("dns-1")? == serial, "opened twice, it was changed twice");

        // A node leaves and comes back inside it, with the TTL of the window.
        run(&tidegate, 0, &["drain", NODE, "--yes", "--json"])?;
        for word in ["open", "close"] {
            let refused = run(&tidegate, 3, &["window", word, "--json"])?;
            ensure!(text(&refused, "error").contains(&format!("{NODE} is out")), "{refused}");
        }
        at_both(lab, "1")?;
        run(&tidegate, 0, &["restore", NODE, "--yes", "--json"])?;
        at_both(lab, "1")?;

        // A secondary that does not follow has the TTL of the window still: it is waited for.
        lab.stop_following()?;
        let mut closing = Running::start(&mut tidegate.command(&["window", "close", "--json"])?)?;
        within(10, "the primary has the usual TTL", || Ok(ttls(lab, "dns-1")? == ["2"]))?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        ensure!(closing.0.try_wait()?.is_none(), "it did not wait for {SECONDARY}");
        ensure!(ttls(lab, "dns-2")? == ["1"], "{:?}", ttls(lab, "dns-2")?);
        lab.follow()?;
        let (code, out, err) = closing.finish(std::time::Duration::from_secs(30))?;
        ensure!(code == 0, "{code} {out}\n{err}");
        at_both(lab, "2")?;
        ensure!(records(lab, "app", "A")? == before, "{:?}", records(lab, "app", "A"));
        Ok(())
    })
}

#[test]
#[ignore = "needs the lab"]
fn a_window_is_refused_where_it_would_write_over_another_hand_or_has_nothing_to_do() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let plain = tidegate(lab, "no-window.toml", &by_name())?;
        let (nothing, serial) = (run(&plain, 2, &["window", "open", "--json"])?, lab.serial("dns-1")?);
        ensure!(text(&nothing, "error").contains("ttl-during-maintenance"), "{nothing}");
        let nodes = [11, 12, 13].map(|n| format!("update add app.lab.example 7 A 10.77.0.{n}"));
        ensure!(lab.serial("dns-1")? == serial, "something was written");
        lab.nsupdate(&nodes.join("\n"))?;
        let tidegate = tidegate(lab, "window.toml", &windowed())?;
        for word in ["open", "close"] {
            let refused = run(&tidegate, 1, &["window", word, "--json"])?;
            ensure!(text(&refused, "error").contains("the TTL is 7 s now"), "{refused}");
        }
        within(10, "the secondary follows", || Ok(ttls(lab, "dns-2")? == ["7"]))?;
        at_both(lab, "7")
    })
}
