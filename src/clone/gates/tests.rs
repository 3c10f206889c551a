//! One careful cluster, and what is wrong with it one by one.

use std::time::Duration;

use super::*;
use crate::{
    clone::{
        Enablement, diff,
        found::{FoundClone, Setting, places},
        place::Held,
        unit::Part,
    },
    config,
    model::{CloneInstance, Member, Role},
    plan::gates::Answer,
};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

struct Case {
    service: Service,
    found: Found,
    units: BTreeMap<NodeName, Result<UnitFile, String>>,
    cluster: ClusterView,
}

fn case() -> Case {
    let text = "[cluster]\nname = \"lab\"\nmembers = [\"node-1\", \"node-2\", \"node-3\"]\n[[service]]\nname = \"app\"\nunit = \"app.service\"\n\
        clone = { clone-max = 3 }\nmin-ready = 2\nready = { protocol = \"tcp\", port = 80 }\n";
    let mut settings = config::sample::loaded(text);
    let unit = UnitFile {
        exists: true,
        load: "loaded".into(),
        active: "inactive".into(),
        enablement: Enablement::new("disabled"),
        parts: vec![Part { path: "/etc/systemd/system/app.service".into(), sha256: "aa".into() }],
        stale: false,
        start_timeout: Some(Duration::from_secs(90)),
        stop_timeout: Some(Duration::from_secs(10)),
    };
    let online = Member { online: true, ..Member::default() };
    Case {
        service: settings.services.remove(0),
        found: Found { resource: "app_service".into(), ..Found::default() },
        units: NODES.iter().map(|n| (NodeName::new(*n), Ok(unit.clone()))).collect(),
        cluster: ClusterView {
            quorate: true,
            nodes: NODES.iter().map(|n| (NodeName::new(*n), online.clone())).collect(),
            ..ClusterView::default()
        },
    }
}

impl Case {
    fn wanted(&self) -> Declaration {
        Declaration::new(&self.service, self.units.values().flatten())
    }

    /// The clone is there, as it is declared.
    fn with_clone(mut self) -> Self {
        let wanted = self.wanted();
        let held = |place: &crate::clone::Place| {
            let value = wanted.values().into_iter().find(|w| &w.place == place).map(|w| w.value);
            value.map_or(Held::Nothing, Held::Value)
        };
        let setting = |place| Setting { held: held(&place), place, otherwise: None, entangled: None };
        self.found.clone = Some(FoundClone {
            id: "app_service-clone".into(),
            agent: "systemd:app".into(),
            settings: places().into_iter().map(setting).collect(),
            switched_off: Vec::new(),
            misplaced: Vec::new(),
        });
        self
    }

    fn unit(&mut self, node: &str) -> &mut UnitFile {
        self.units.get_mut(node).and_then(|u| u.as_mut().ok()).expect("a unit")
    }

    fn gates(&self) -> Vec<Gate> {
        let (service, found, units, cluster) = (&self.service, &self.found, &self.units, &self.cluster);
        of_service(&Facts { service, wanted: &self.wanted(), found, units, cluster })
    }

    /// What does not simply pass.
    fn against(&self) -> Vec<(String, Answer)> {
        let gates = self.gates().into_iter().filter(|g| g.answer != Answer::Pass);
        gates.map(|g| (g.code, g.answer)).collect()
    }

    fn says(&self, code: &str) -> String {
        self.gates().into_iter().find(|g| g.code == code).map(|g| g.detail).unwrap_or_default()
    }
}

fn one(code: &str, answer: Answer) -> Vec<(String, Answer)> {
    vec![(code.to_owned(), answer)]
}

#[test]
fn a_careful_cluster_passes() {
    assert_eq!(case().against(), []);
    assert_eq!(case().with_clone().against(), []);
    let case = case().with_clone();
    assert_eq!(diff(&case.wanted(), &case.found), []);
}

#[test]
fn a_stop_that_the_cluster_gives_up_on_fences() {
    let mut case = case();
    case.service.clone.stop_timeout = Some(Duration::from_secs(10));
    assert_eq!(case.against(), one("clone-stop-timeout", Answer::Refuse));
    let said = case.says("clone-stop-timeout");
    assert!(said.contains("gives up") || said.contains("give up"), "{said}");
    assert!(said.contains("fences"), "{said}");
    case.service.clone.stop_timeout = Some(Duration::from_secs(11));
    assert_eq!(case.against(), []);
    // The slowest node decides.
    case.unit("node-3").stop_timeout = Some(Duration::from_secs(60));
    assert_eq!(case.against(), one("clone-stop-timeout", Answer::Refuse));
    case.service.clone.stop_timeout = None;
    assert_eq!(case.against(), []);
    assert_eq!(case.wanted().stop_timeout.map(|t| t.wanted.as_secs()), Some(75));
    case.unit("node-1").stop_timeout = None;
    assert_eq!(case.against(), one("clone-stop-timeout", Answer::Refuse));
    assert_eq!(case.wanted().stop_timeout, None);
}

#[test]
fn a_start_is_given_its_time() {
    let mut case = case();
    case.service.clone.start_timeout = Some(Duration::from_secs(30));
    assert_eq!(case.against(), one("clone-start-timeout", Answer::Refuse));
    for node in NODES {
        case.unit(node).start_timeout = None;
    }
    assert_eq!(case.against(), one("clone-start-timeout", Answer::Warn));
}

#[test]
fn the_unit_is_there_and_the_same_everywhere() {
    let mut case = case();
    case.unit("node-2").exists = false;
    case.unit("node-2").load = "not-found".into();
    assert_eq!(case.against(), one("clone-unit", Answer::Refuse));
    case.unit("node-2").exists = true;
    case.unit("node-2").load = "masked".into();
    assert_eq!(case.against(), one("clone-unit", Answer::Refuse));
    case.unit("node-2").load = "loaded".into();
    case.unit("node-2").parts[0].sha256 = "bb".into();
    assert_eq!(case.against(), one("clone-unit-content", Answer::Refuse));
    let said = case.says("clone-unit-content");
    assert!(said.contains("app.service differs in app.service: node-1, node-3 | node-2"), "{said}");
    let case = case.with_clone();
    assert_eq!(case.against(), one("clone-unit-content", Answer::Warn));
}

#[test]
fn what_was_not_seen_is_not_there() {
    let mut case = case();
    case.units.insert("node-2".into(), Err("no answer".into()));
    assert_eq!(case.against(), one("clone-unit", Answer::Refuse));
    assert!(case.gates().iter().any(|g| g.code == "clone-unit" && g.unknown));
    case.cluster.nodes.insert("node-2".into(), Member::default());
    assert_eq!(case.against(), one("clone-unit", Answer::Refuse), "a clone is not created blindly");
    assert_eq!(case.with_clone().against(), one("clone-unit", Answer::Warn), "and is mended while a node is off");
}

#[test]
fn a_unit_that_runs_already_is_adopted_not_overrun() {
    let mut case = case();
    case.unit("node-1").active = "active".into();
    assert_eq!(case.against(), one("clone-unit-outside", Answer::Refuse));
    let mut case = case.with_clone();
    assert_eq!(case.against(), one("clone-unit-outside", Answer::Warn));
    case.cluster.instances.push(CloneInstance {
        resource: "app_service".into(),
        node: Some("node-1".into()),
        role: Role::Started,
        active: true,
        pending: None,
        failed: false,
        blocked: false,
        managed: true,
    });
    assert_eq!(case.against(), []);
    case.unit("node-1").enablement = Enablement::new("enabled");
    assert_eq!(case.against(), one("clone-unit-boot", Answer::Warn));
}

#[test]
fn bans_and_numbers_are_told() {
    let mut case = case();
    case.found.constraints.push(crate::clone::Constraint {
        id: "ban".into(),
        kind: crate::clone::ConstraintKind::Location,
        says: "app_service-clone never on node-3".into(),
        bans: Some("node-3".into()),
        ours: false,
    });
    let against = case.against();
    assert_eq!(
        against,
        [("clone-max".to_owned(), Answer::Warn), ("clone-constraints".to_owned(), Answer::Warn)],
        "three instances have no room on two nodes"
    );
    // What is banned is not looked at.
    case.units.insert("node-3".into(), Err("no answer".into()));
    assert_eq!(case.against(), against);
}

#[test]
fn what_is_something_else_is_left_alone() {
    let mut case = case().with_clone();
    if let Some(clone) = &mut case.found.clone {
        clone.agent = "ocf:heartbeat:app".into();
    }
    assert_eq!(case.against(), one("clone-shape", Answer::Refuse));
    let mut case = self::case();
    case.found.obstacles.push("app_service is in the group web, and no clone of its own".into());
    assert_eq!(case.against(), one("clone-shape", Answer::Refuse));
    assert_eq!(diff(&case.wanted(), &case.found), [], "nothing is changed around it");
}

fn circumstances(
    change: impl FnOnce(&mut ClusterView, &mut Option<RunId>, &mut Result<Rehearsal, &'static str>),
) -> Vec<(String, Answer)> {
    let mut case = case();
    let (mut open, mut rehearsal) = (None, Ok(Rehearsal::default()));
    change(&mut case.cluster, &mut open, &mut rehearsal);
    let changes = diff(&case.wanted(), &case.found);
    let resources = BTreeSet::from(["app_service".to_owned()]);
    let mut gates = around(&Around {
        cluster: &case.cluster,
        open_run: open.as_ref(),
        stand_in: None,
        changes: &changes,
        rehearsal: rehearsal.as_ref().map_err(|why| *why),
        resources: &resources,
    });
    answer_for(&[Override { gate: "clone-stops".into(), reason: "night".into() }], &mut gates);
    gates.into_iter().filter(|g| g.answer != Answer::Pass).map(|g| (g.code, g.answer)).collect()
}

fn moved(verb: Verb, resource: &str) -> Rehearsal {
    let one = crate::model::rehearsal::Move {
        verb,
        resource: resource.into(),
        kind: crate::model::rehearsal::Kind::Instance,
        from: Some("node-1".into()),
        to: None,
        why: None,
    };
    Rehearsal { moves: vec![one], ..Rehearsal::default() }
}

#[test]
fn a_change_waits_for_a_quiet_cluster_that_can_take_it() {
    assert_eq!(circumstances(|_, _, _| {}), []);
    assert_eq!(circumstances(|c, _, _| c.quorate = false), one("quorum", Answer::Refuse));
    assert_eq!(circumstances(|c, _, _| c.transition = true), one("transition", Answer::Hold));
    assert_eq!(circumstances(|c, _, _| c.maintenance_mode = true), one("maintenance-mode", Answer::Refuse));
    assert_eq!(circumstances(|_, open, _| *open = Some("drain-1".into())), one("other-run", Answer::Refuse));
    assert_eq!(circumstances(|_, _, r| *r = Err("no tool")), one("clone-rehearsal", Answer::Refuse));
}

#[test]
fn what_would_stop_or_be_touched_besides_is_refused_unless_somebody_answers_for_it() {
    assert_eq!(circumstances(|_, _, r| *r = Ok(moved(Verb::Start, "app_service"))), []);
    assert_eq!(circumstances(|_, _, r| *r = Ok(moved(Verb::Stop, "db"))), one("clone-collateral", Answer::Refuse));
    assert_eq!(
        circumstances(|_, _, r| *r = Ok(moved(Verb::Stop, "app_service"))),
        one("clone-stops", Answer::Warn),
        "overridden"
    );
}

#[test]
fn nothing_to_change_needs_no_quorum() {
    let case = case();
    let around = around(&Around {
        cluster: &ClusterView::default(),
        open_run: Some(&"drain-1".into()),
        stand_in: None,
        changes: &[],
        rehearsal: Err("no tool"),
        resources: &BTreeSet::new(),
    });
    assert_eq!(around, []);
    drop(case);
}

#[test]
fn nothing_is_changed_while_an_instance_stands_in() {
    let changes =
        [Change::Admit { clone: "app_service-clone".into(), resource: "app_service".into(), node: "n1".into() }];
    let cluster = ClusterView { quorate: true, ..ClusterView::default() };
    let gates = around(&Around {
        cluster: &cluster,
        open_run: None,
        stand_in: Some(&"stand-in-n3".into()),
        changes: &changes,
        rehearsal: Err("not asked"),
        resources: &BTreeSet::new(),
    });
    let against: Vec<&str> = gates.iter().filter(|g| !g.passes()).map(|g| g.code.as_str()).collect();
    assert!(against.contains(&"other-run"), "{against:?}");
}
