//! What the coordinator exports makes a real Prometheus alert. `cargo xtask lab alerts` plays all of it; here is what needs
//! no window of five minutes to fill.

use anyhow::{Context, Result, ensure};
use xtask::{
    alerts::{self, Extent},
    lab::Proxy,
};

use crate::stage::Routes;

#[test]
#[ignore = "needs the lab"]
fn a_request_on_a_drained_node_makes_prometheus_alert_and_every_query_of_the_dashboard_knows_something() -> Result<()> {
    Routes::clean(&[Proxy::Haproxy])?.play(|lab| {
        let report = alerts::run(lab, Extent::Quick)?;
        ensure!(report.good(), "{}", report.table());
        let drained =
            report.cases.iter().find(|case| case.name == "traffic-on-drained-node").context("no such case")?;
        eprintln!("it fired {:?} s after the first request", drained.fired_s.context("it did not fire")?);
        Ok(())
    })
}
