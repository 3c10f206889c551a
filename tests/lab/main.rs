//! Tidegate on a real cluster: Pacemaker, systemd, HAProxy, sshd, under load from a client host. The lab is brought
//! up by `cargo xtask test` (or `cargo xtask lab up`, then `TIDEGATE_LAB=tg cargo test --test lab -- --ignored
//! --test-threads=1`). Every test begins with a lab that was reset, and proves what it says by the servers' own words.

#![expect(clippy::disallowed_methods, reason = "tests without a runtime; their sleeps are the lab's time")]

mod adoption;
mod alerts;
mod clones;
mod deadline;
mod drain;
mod edits;
mod faults;
mod faults_are_undone;
mod guard;
mod killed;
mod last;
mod layouts;
mod lingering;
mod longlived;
mod plays;
mod review;
mod scope;
mod secondary;
mod serve;
mod stage;
mod standin;
mod sticky;
mod underway;
mod verdict;
mod window;
