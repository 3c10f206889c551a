//! Booting a node anew, and waiting until it is a member again: a new boot id, a way in, online in the cluster, quorum.
//!
//! The boot id is written down before; whoever goes on with the play sees by it whether the node was booted.

use std::time::Duration;

use super::{Book, Hands, Machines, Stepped, Trouble};
use crate::{
    model::NodeName,
    playbook::{Condition, Intent, PlayEvent, Spot, SpotState, What},
};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Time between two looks.
const PACE: Duration = Duration::from_millis(500);
/// For so long it must be a member: a cluster that has not noticed the reboot yet still counts the node from before.
const SETTLED: Duration = Duration::from_secs(2);
/// Time limit of one look at the cluster.
const LOOK: Duration = Duration::from_secs(10);

/// The node's boot id.
pub(super) async fn boot_id(machines: &Machines, node: &NodeName) -> Result<String, Trouble> {
    Ok(machines.told(node, &["cat", BOOT_ID]).await?.trim().to_owned())
}

/// Reboots it, or goes on waiting for it.
pub(super) async fn reboot(
    hands: &Hands,
    book: &Book,
    spot: &Spot,
    node: &NodeName,
    timeout: Duration,
    before: Option<&SpotState>,
) -> Stepped {
    let began = tokio::time::Instant::now();
    let machines = &hands.machines;
    let former = match before.and_then(|before| before.intent.as_ref()) {
        Some(Intent::Boot { id }) => id.clone(),
        _ => {
            let id = boot_id(machines, node).await?;
            let intent = Intent::Boot { id: id.clone() };
            book.write(PlayEvent::Intended { spot: spot.clone(), intent }).await?;
            id
        }
    };
    // One that was not asked yet, or whose answer was lost. A node that goes down answers no more.
    if boot_id(machines, node).await.is_ok_and(|now| now == former) {
        let _ = machines.ask(node, &["systemctl", "--no-block", "reboot"]).await;
    }
    loop {
        match boot_id(machines, node).await {
            Ok(now) if now != former => break,
            Err(Trouble::Stopped(why)) => return Err(Trouble::Stopped(why)),
            _ if began.elapsed() > timeout => {
                return Err(Trouble::failed(format!(
                    "{node} was not booted anew within {:.0} s",
                    timeout.as_secs_f64()
                )));
            }
            _ => tokio::time::sleep(PACE).await,
        }
    }
    let booted = began.elapsed();
    let member = Condition { what: What::Member, timeout: LOOK };
    hands.wait(&member, SETTLED, timeout.saturating_sub(booted), spot).await?;
    let (up, all) = (booted.as_secs_f64(), began.elapsed().as_secs_f64());
    Ok(Some(format!("a new boot id after {up:.1} s, a member after {all:.1} s")))
}
