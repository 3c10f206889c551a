//! Golden plans. Each folder of `tests/plans` is one case: `case.toml` says in a comment what it holds, then what is
//! asked, and how the world differs from a base (`tests/plans/base/NAME.{toml,json}`). The answer is kept twice: as
//! a person reads it (`expected.txt`) and as a machine does (`expected.json`); `gates.txt` has every gate with its answer.
//!
//! `UPDATE=1 cargo test --test plans` writes the answers anew; the difference is for the review.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tidegate::{
    config::{self, Settings},
    model::{Before, Leave, NodeName, Observation, Receipt, RunId, UnitName},
    plan::{
        Purpose, Request,
        gates::{Answer, Gate, KNOWN},
        planner, render,
    },
};

/// When everything in the base observations was seen.
const SEEN_AT: &str = "2026-03-01T12:00:00Z";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Case {
    #[serde(default = "one")]
    base: String,
    drain: Option<String>,
    restore: Option<String>,
    stand_in: Option<String>,
    retire: Option<String>,
    /// TOML that is laid over the base's configuration.
    #[serde(default)]
    configuration: String,
    /// How the node leaves, or had left.
    #[serde(default)]
    leave: Leave,
    /// Gates that a person answers for.
    #[serde(default)]
    overrides: Vec<String>,
    /// A run that is open.
    open_run: Option<String>,
    /// The drain that holds the node out, with `receipts`.
    outstanding: Option<String>,
    /// Seconds since everything was seen.
    #[serde(default = "second")]
    age_s: i64,
    /// JSON pointers into the observation that are taken out of it.
    #[serde(default)]
    remove: Vec<String>,
    /// JSON pointers into the observation, and what is there instead.
    #[serde(default)]
    seen: BTreeMap<String, Value>,
    #[serde(default)]
    receipts: Vec<Before>,
}

fn one() -> String {
    "one".into()
}

fn second() -> i64 {
    1
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn cases() -> Vec<(String, Case)> {
    let folders = fs::read_dir(folder()).expect("tests/plans").map(|e| e.expect("an entry").path());
    let mut cases: Vec<(String, Case)> = folders
        .filter(|path| path.join("case.toml").is_file())
        .map(|path| {
            let text = read(path.join("case.toml"));
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(text.starts_with("# "), "{name}: a case begins with what it holds");
            (name.clone(), toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}")))
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

impl Case {
    fn settings(&self) -> Settings {
        let text = read(folder().join("base").join(format!("{}.toml", self.base)));
        let over = ("case.toml".into(), self.configuration.clone());
        config::load_fragments(vec![("base.toml".into(), text), over]).unwrap_or_else(|report| panic!("{report}"))
    }

    fn observation(&self) -> Observation {
        let text = read(folder().join("base").join(format!("{}.json", self.base)));
        let mut seen: Value = serde_json::from_str(&text).expect("JSON");
        for pointer in &self.remove {
            let (parent, key) = parts(&mut seen, pointer);
            assert!(parent.remove(&key).is_some(), "{pointer} is not there");
        }
        for (pointer, value) in &self.seen {
            if let Some(place) = seen.pointer_mut(pointer) {
                *place = value.clone();
            } else {
                let (parent, key) = parts(&mut seen, pointer);
                parent.insert(key, value.clone());
            }
        }
        serde_json::from_value(seen).expect("an observation")
    }

    fn answer(&self) -> Result<(tidegate::plan::Plan, String), (Vec<Gate>, String)> {
        self.ask(|request, basis| match planner::plan(request, basis) {
            Ok(plan) => {
                let text = render::plan(&plan, basis.settings.run.patience);
                Ok((plan, text))
            }
            Err(gates) => {
                let text = render::refusals(request.purpose, &request.node, &gates);
                Err((gates, text))
            }
        })
    }

    /// Every gate with its answer, a line each: those that pass are in no plan.
    fn gates(&self) -> String {
        let gates = self.ask(planner::verdict);
        gates.iter().map(|gate| format!("{:<6}  {}\n", word(gate.answer), gate.code)).collect()
    }

    fn ask<T>(&self, question: impl FnOnce(&Request, &planner::Basis<'_>) -> T) -> T {
        let (purpose, node) = match (&self.drain, &self.restore, &self.stand_in, &self.retire) {
            (Some(node), None, None, None) => (Purpose::Drain, node),
            (None, Some(node), None, None) => (Purpose::Restore, node),
            (None, None, Some(node), None) => (Purpose::StandIn, node),
            (None, None, None, Some(node)) => (Purpose::Retire, node),
            _ => panic!("either drain or restore, or either half of a stand-in"),
        };
        let (settings, seen) = (self.settings(), self.observation());
        let seen_at: Timestamp = SEEN_AT.parse().expect("a time");
        let receipts: Vec<Receipt> =
            self.receipts.iter().map(|before| Receipt { before: before.clone(), at: seen_at }).collect();
        let request = Request {
            purpose,
            node: NodeName::new(node),
            operator: "ann".into(),
            reason: "kernel update".into(),
            overrides: self.overrides.iter().map(|text| text.parse().expect("an override")).collect(),
            leave: self.leave.clone(),
        };
        let (open_run, outstanding) =
            (self.open_run.as_deref().map(RunId::new), self.outstanding.as_deref().map(RunId::new));
        let basis = planner::Basis {
            settings: &settings,
            topology: &settings.topology(&settings.cluster.members),
            seen: &seen,
            open_run: open_run.as_ref(),
            outstanding: outstanding.as_ref().map(|run| (run, receipts.as_slice())),
            now: seen_at + Duration::from_secs(self.age_s.unsigned_abs()),
        };
        question(&request, &basis)
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "pass",
        Answer::Warn => "warn",
        Answer::Hold => "hold",
        Answer::Refuse => "refuse",
    }
}

/// The object that a pointer's last part is a key of, and that key.
fn parts<'a>(value: &'a mut Value, pointer: &str) -> (&'a mut serde_json::Map<String, Value>, String) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    (parent.unwrap_or_else(|| panic!("{pointer} leads nowhere")), key.replace("~1", "/").replace("~0", "~"))
}

#[test]
fn every_case_has_its_answer() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let (json, text) = match case.answer() {
            Ok((plan, text)) => (serde_json::to_string_pretty(&plan).expect("JSON"), text),
            Err((gates, text)) => (serde_json::to_string_pretty(&gates).expect("JSON"), text),
        };
        let files = [("expected.txt", text), ("expected.json", json + "\n"), ("gates.txt", case.gates())];
        for (file, answer) in files {
            let path = folder().join(&name).join(file);
            if update {
                fs::write(&path, &answer).expect("written");
            } else if fs::read_to_string(&path).unwrap_or_default() != answer {
                wrong.push(format!("{}:\n{answer}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 accepts these answers:\n{}", wrong.join("\n"));
}

#[test]
fn every_gate_says_no_somewhere() {
    let refused: Vec<Gate> =
        cases().iter().filter_map(|(_, c)| c.answer().err()).flat_map(|(gates, _)| gates).collect();
    for code in KNOWN.map(|known| known.code) {
        assert!(refused.iter().any(|g| g.code == code), "no case in which {code} refuses");
    }
    for gate in &refused {
        assert!(KNOWN.iter().any(|known| known.code == gate.code), "{} is not in the table of gates", gate.code);
        assert!(gate.remedy.is_some(), "nothing is said of what would change {}: {}", gate.code, gate.detail);
    }
}

/// Whoever gives up a change of keeper has the unit where it was.
#[test]
fn giving_up_leads_back_to_the_keeper() {
    let unit = UnitName::new("app.service");
    let adopted =
        vec![Before::Unit { unit: unit.clone(), active: true }, Before::UnitFile { unit: unit.clone(), enabled: true }];
    let released = vec![Before::Standby { attribute: None }];
    for (name, befores, expected) in [
        ("adopt", adopted, ["enabled at boot", "other units started"]),
        ("release", released, ["taken over by the cluster", "units started"]),
    ] {
        let (_, case) = cases().into_iter().find(|(n, _)| n == name).expect("the case");
        let (plan, _) = case.answer().unwrap_or_else(|(_, text)| panic!("{text}"));
        let (settings, at) = (case.settings(), SEEN_AT.parse().expect("a time"));
        let topology = settings.topology(&settings.cluster.members);
        let receipts: Vec<Receipt> = befores.into_iter().map(|before| Receipt { before, at }).collect();
        let run = RunId::new("drain-node-2-20260301T110000");
        let undo = planner::undo(&settings, &topology, &run, &plan, &receipts, "changed my mind", at).expect("a plan");
        let titles: Vec<&str> = undo.steps.iter().map(|s| s.action.title()).collect();
        assert_eq!(titles, expected, "{name}");
    }
}

#[test]
fn a_plan_is_a_function_of_its_basis() {
    for (name, case) in cases() {
        if let (Ok((first, _)), Ok((second, _))) = (case.answer(), case.answer()) {
            assert_eq!(first, second, "{name}");
            let text = serde_json::to_string(&first).expect("JSON");
            assert_eq!(serde_json::from_str::<tidegate::plan::Plan>(&text).expect("a plan"), first, "{name}");
        }
    }
}

#[test]
fn nothing_is_wider_than_a_terminal() {
    for (name, case) in cases() {
        let text = case.answer().map_or_else(|(_, text)| text, |(_, text)| text);
        let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or_default();
        assert!(widest <= 100, "{name}: {widest} columns");
    }
}
