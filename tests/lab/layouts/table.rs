//! The layouts: what each is made of, and what a standby of node-2 does to it.

use super::cib::{Parts, clone, dummy, dummy_with, group, primitive};

/// A situation in a cluster.
pub struct Layout {
    pub name: &'static str,
    pub parts: Parts,
    /// What the cluster is to do when node-2 leaves: `verb resource [from] [to]`.
    pub moves: &'static [&'static str],
}

const INTERLEAVED: &[(&str, &str)] = &[("interleave", "true")];

/// All of them. Nothing of one has to do with anything of another.
pub fn all() -> Vec<Layout> {
    let mut all = singles();
    all.extend(clones());
    all.extend(conditions());
    all
}

fn singles() -> Vec<Layout> {
    vec![
        Layout {
            name: "a group",
            parts: Parts::of(&[group("shop", &["shop-disk", "shop-db", "shop-ip"])])
                .prefers("shop", &[(2, "100"), (3, "50")]),
            moves: &["move shop-disk node-2 node-3", "move shop-db node-2 node-3", "move shop-ip node-2 node-3"],
        },
        Layout {
            name: "two that stay together",
            parts: Parts::of(&[dummy("cache"), dummy("web")])
                .prefers("cache", &[(2, "100"), (1, "50")])
                .with("web", "cache", "Started", "INFINITY")
                .after("cache", "start", "web"),
            moves: &["move cache node-2 node-1", "move web node-2 node-1"],
        },
        Layout {
            name: "two that stay apart",
            parts: Parts::of(&[dummy("left"), dummy("right")])
                .prefers("left", &[(2, "100"), (1, "50")])
                .prefers("right", &[(1, "40"), (3, "30")])
                .with("right", "left", "Started", "-INFINITY"),
            moves: &["move left node-2 node-1", "move right node-1 node-3"],
        },
        Layout {
            name: "a preference",
            parts: Parts::of(&[dummy("roams")]).prefers("roams", &[(2, "100"), (3, "50")]),
            moves: &["move roams node-2 node-3"],
        },
        Layout {
            name: "a preference, and stickiness above it",
            parts: Parts::of(&[dummy_with("stays", &[("resource-stickiness", "200")])])
                .prefers("stays", &[(2, "100"), (3, "50")]),
            moves: &["move stays node-2 node-3"],
        },
        Layout {
            name: "live migration",
            parts: Parts::of(&[dummy_with("machine", &[("allow-migrate", "true")])])
                .prefers("machine", &[(2, "100"), (3, "50")]),
            moves: &["migrate machine node-2 node-3"],
        },
    ]
}

fn clones() -> Vec<Layout> {
    vec![
        Layout {
            name: "another clone",
            parts: Parts::of(&[clone("agent", &dummy("agent"), &[])]),
            moves: &["stop agent node-2"],
        },
        Layout {
            name: "a clone of a group",
            parts: Parts::of(&[clone("kit", &group("kit", &["kit-one", "kit-two"]), INTERLEAVED)]),
            moves: &["stop kit-one node-2", "stop kit-two node-2"],
        },
        Layout {
            name: "clone-max below the number of nodes",
            parts: Parts::of(&[clone("pair", &dummy("pair"), &[("clone-max", "2")])])
                .prefers("pair-clone", &[(2, "100"), (1, "50")]),
            moves: &["move pair node-2 node-3"],
        },
        Layout {
            name: "one clone after another, interleaved",
            parts: Parts::of(&[clone("disk", &dummy("disk"), INTERLEAVED), clone("mail", &dummy("mail"), INTERLEAVED)])
                .after("disk-clone", "start", "mail-clone"),
            moves: &["stop disk node-2", "stop mail node-2"],
        },
        Layout {
            name: "one clone after another, not interleaved",
            parts: Parts::of(&[clone("lock", &dummy("lock"), &[]), clone("share", &dummy("share"), &[])]).after(
                "lock-clone",
                "start",
                "share-clone",
            ),
            moves: &["stop lock node-2", "stop share node-2"],
        },
        Layout {
            name: "a clone after a single",
            parts: Parts::of(&[dummy("export"), clone("import", &dummy("import"), &[])])
                .prefers("export", &[(2, "100"), (3, "50")])
                .after("export", "start", "import-clone"),
            moves: &[
                "move export node-2 node-3",
                "stop import node-2",
                "restart import node-1",
                "restart import node-3",
            ],
        },
        Layout {
            name: "a promotable clone, and what follows its primary",
            parts: Parts::of(&[
                clone("db", &primitive("db", "pacemaker:Stateful", &[], &[], &[]), &[("promotable", "true")]),
                dummy("db-ip"),
            ])
            .prefers_as("Promoted", "db-clone", &[(2, "100"), (3, "50")])
            .with("db-ip", "db-clone", "Promoted", "INFINITY")
            .after("db-clone", "promote", "db-ip"),
            moves: &["demote db node-2", "stop db node-2", "promote db node-3", "move db-ip node-2 node-3"],
        },
        Layout {
            name: "a primary without a standby",
            parts: Parts::of(&[clone(
                "sole",
                &primitive("sole", "pacemaker:Stateful", &[], &[], &[]),
                &[("promotable", "true"), ("clone-max", "1")],
            )])
            .prefers("sole-clone", &[(2, "100"), (3, "50")]),
            // And promoted there, which no rehearsal knows: see `done::by_agents`.
            moves: &["demote sole node-2", "move sole node-2 node-3"],
        },
        Layout {
            name: "an address that follows a clone",
            parts: Parts::of(&[
                clone("front", &dummy("front"), INTERLEAVED),
                primitive("vip", "heartbeat:IPaddr2", &[], &[("ip", "10.77.0.200"), ("cidr_netmask", "24")], &[]),
            ])
            .prefers("vip", &[(2, "100"), (3, "50")])
            .with("vip", "front-clone", "Started", "INFINITY")
            .after("front-clone", "start", "vip"),
            moves: &["stop front node-2", "move vip node-2 node-3"],
        },
    ]
}

fn conditions() -> Vec<Layout> {
    vec![
        Layout {
            name: "failed before where it would go",
            parts: Parts::of(&[dummy_with("weak", &[("migration-threshold", "1")])])
                .prefers("weak", &[(3, "100"), (2, "50"), (1, "10")]),
            moves: &["move weak node-2 node-1"],
        },
        Layout {
            name: "a rule over a node's attribute",
            parts: Parts::of(&[dummy("quick")])
                .prefers("quick", &[(2, "100"), (3, "50")])
                .only_where("quick", "tier", "fast"),
            moves: &["move quick node-2 node-1"],
        },
        Layout {
            name: "no room elsewhere",
            parts: Parts::of(&[
                primitive("big", "pacemaker:Dummy", &[], &[], &[("memory", "600")]),
                primitive("bulk", "pacemaker:Dummy", &[], &[], &[("memory", "700")]),
            ])
            .prefers("big", &[(2, "100")])
            .prefers("bulk", &[(1, "200")]),
            moves: &["stop big node-2"],
        },
        Layout {
            name: "allowed nowhere else",
            parts: Parts::of(&[dummy("licensed")]).prefers("licensed", &[(1, "-INFINITY"), (3, "-INFINITY")]),
            moves: &["stop licensed node-2"],
        },
        Layout {
            name: "not managed",
            parts: Parts::of(&[dummy("by-hand")]).prefers("by-hand", &[(2, "100")]),
            moves: &[],
        },
    ]
}
