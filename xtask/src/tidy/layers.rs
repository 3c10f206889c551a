//! The layers: what decides is pure. It names no runtime, file, socket, process, log or clock, and nothing of the
//! edge that has them; all of that comes in as values. So every decision can be tested by building a value.

use super::{File, Finding, paths};

/// Pure modules: a folder with all below it, or one file.
const PURE: [&str; 37] = [
    "src/clone/",
    "src/model/",
    "src/drill/abort.rs",
    "src/drill/detect.rs",
    "src/drill/detect/",
    "src/drill/objective.rs",
    "src/drill/report/",
    "src/observe/trends.rs",
    "src/plan/",
    "src/playbook/",
    "src/review/",
    "src/config/",
    "src/guard/",
    "src/health/damping.rs",
    "src/health/failure.rs",
    "src/health/judge.rs",
    "src/run/connected.rs",
    "src/run/decide/",
    "src/run/drift.rs",
    "src/run/decide.rs",
    "src/run/gate.rs",
    "src/run/lasting.rs",
    "src/run/look.rs",
    "src/run/outlook.rs",
    "src/run/proof.rs",
    "src/run/state.rs",
    "src/run/streaks.rs",
    "src/run/waiting.rs",
    "src/run/wants.rs",
    "src/traffic/decay.rs",
    "src/traffic/delta.rs",
    "src/traffic/meant.rs",
    "src/traffic/residual.rs",
    "src/traffic/share/",
    "src/traffic/skew/",
    "src/traffic/turnover.rs",
    "src/traffic/window.rs",
];

/// Files among them that are the edge: where the configuration and playbooks are, and reading them.
const NOT_PURE: [&str; 3] = ["src/config/mod.rs", "src/config/fragment.rs", "src/playbook/load.rs"];

/// Names that a pure module must not use, and why.
const FORBIDDEN: [(&str, &str); 26] = [
    ("tokio", "a runtime"),
    ("tokio_util", "a runtime"),
    ("futures_util", "a runtime"),
    ("async_trait", "a runtime"),
    ("tracing", "a log"),
    ("std::fs", "files"),
    ("std::env", "the process"),
    ("std::io", "files and streams"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::net::TcpStream", "sockets"),
    ("std::net::TcpListener", "sockets"),
    ("std::net::UdpSocket", "sockets"),
    ("std::net::ToSocketAddrs", "name resolution"),
    ("std::os", "the system"),
    ("std::time::SystemTime", "a clock"),
    ("std::time::Instant", "a clock"),
    ("rustix", "the system"),
    ("hyper", "the network"),
    ("openssh", "the network"),
    ("zbus", "the network"),
    ("rusqlite", "files"),
    ("crate::provider", "the edge"),
    ("crate::run::executor", "the edge"),
    ("crate::run::effects", "the edge"),
    ("crate::run::observer", "the edge"),
];

/// The one seam: what a kind of route says of its own configuration is read with the rest of it. These are values;
/// only `connect` among them reaches out, and that is not named here.
const SEAM: [&str; 3] =
    ["crate::provider::route::Via", "crate::provider::route::VARIANTS", "crate::provider::route::kind"];

/// Calls that read a clock, however they are imported.
const CLOCKS: [&str; 4] = ["Timestamp::now", "Zoned::now", "SystemTime::now", "Instant::now"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let is_pure = PURE.iter().any(|p| file.path == *p || (p.ends_with('/') && file.path.starts_with(p)));
    if !is_pure || NOT_PURE.contains(&file.path.as_str()) {
        return Vec::new();
    }
    // What cannot be read as Rust is the compiler's to report, and `modules` says it as well.
    let names = paths::of(&file.text).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| {
            let full = absolute(&file.path, &name.parts).join("::");
            let why = forbidden(&full)?;
            Some(Finding::error(file, name.line, format!("`{}` ({why}) in a pure module", name.parts.join("::"))))
        })
        .collect()
}

fn forbidden(name: &str) -> Option<&'static str> {
    let within = |outer: &str| name == outer || name.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
    if name.starts_with("crate::provider") && SEAM.iter().any(|seam| within(seam)) {
        return None;
    }
    let listed = FORBIDDEN.iter().find(|(outer, _)| within(outer)).map(|(_, why)| *why);
    // A lone `tokio` may be a variable's name; a path or an import never is.
    let listed = listed.filter(|_| name.contains("::"));
    listed.or_else(|| {
        CLOCKS.iter().any(|clock| name == *clock || name.ends_with(&format!("::{clock}"))).then_some("a clock")
    })
}

/// A path with `self` and `super` replaced by where the file is.
fn absolute(path: &str, parts: &[String]) -> Vec<String> {
    let module = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs").trim_end_matches("/mod");
    let mut here: Vec<String> = std::iter::once("crate").chain(module.split('/')).map(str::to_owned).collect();
    let mut rest = parts;
    match rest.first().map(String::as_str) {
        Some("self") => rest = rest.get(1..).unwrap_or_default(),
        Some("super") => {}
        _ => return parts.to_vec(),
    }
    while let Some((_, more)) = rest.split_first().filter(|(first, _)| *first == "super") {
        here.pop();
        rest = more;
    }
    here.extend(rest.iter().cloned());
    here
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&fixture(path, text)).into_iter().map(|f| format!("{}: {}", f.line, f.what)).collect()
    }

    #[test]
    fn every_forbidden_name_is_found_in_every_pure_place() {
        for place in PURE {
            let path = if place.ends_with('/') { format!("{place}deep/file.rs") } else { place.to_owned() };
            for (name, why) in FORBIDDEN {
                assert_eq!(
                    found(&path, &format!("use {name}::thing;")),
                    [format!("1: `{name}::thing` ({why}) in a pure module")]
                );
            }
        }
    }

    #[test]
    fn clocks_are_found_however_they_are_imported() {
        for call in ["jiff::Timestamp::now()", "Timestamp::now()", "Instant::now()", "std::time::SystemTime::now()"] {
            assert_eq!(found("src/run/state.rs", &format!("fn f() {{ {call}; }}")).len(), 1, "{call}");
        }
        assert_eq!(found("src/run/state.rs", "fn f(at: Timestamp, now: Timestamp) { later(at, now); }").len(), 0);
    }

    #[test]
    fn nested_imports_and_relative_paths_are_followed() {
        let text = "use std::{time::Duration, fs::{self, File}};\nuse super::executor::Engine;\n";
        let expected = [
            "1: `std::fs::self` (files) in a pure module",
            "1: `std::fs::File` (files) in a pure module",
            "2: `super::executor::Engine` (the edge) in a pure module",
        ];
        assert_eq!(found("src/run/look.rs", text), expected);
        assert_eq!(found("src/run/decide/mod.rs", "use super::super::provider::World;").len(), 1);
    }

    #[test]
    fn addresses_are_values_and_the_edge_may_do_anything() {
        assert_eq!(found("src/model/topology.rs", "use std::{net::IpAddr, time::Duration};").len(), 0);
        assert_eq!(found("src/model/x.rs", "fn f(tokio: u8) -> u8 { tokio }").len(), 0);
        assert_eq!(found("src/config/fragment.rs", "use std::fs::File;").len(), 0);
        assert_eq!(found("src/provider/mod.rs", "use std::fs::File;").len(), 0);
        assert_eq!(found("src/config/settings.rs", "pub use crate::provider::route::Via;").len(), 0);
        assert_eq!(found("src/config/settings.rs", "use crate::provider::route::Vial;").len(), 1);
    }
}
