//! The floor: how long Pacemaker itself needs from "standby" to its own record that the instance stopped.
//!
//! Nobody who waits for that record can be faster. It is about two seconds, because Pacemaker looks at systemd only
//! every two seconds; the unit itself is inactive long before.

use anyhow::{Context, Result};

use super::NODE;
use crate::lab::Lab;

/// Sets standby and asks for the record as fast as a node can (every 20 ms or so); prints milliseconds. The clock is
/// read in the node, so that nothing of this machine counts.
const MEASURE: &str = r#"
started=$(date +%s%3N)
crm_attribute --node "$1" --name standby --update on --lifetime forever
stopped="//node_state[@uname='$1']//lrm_resource[@id='app_service']/lrm_rsc_op[@operation='stop' and @op-status='0']"
while ! cibadmin --query --xpath "$stopped" > /dev/null 2>&1; do
    looks=$((${looks:-0} + 1))
    if [ $looks -gt 2000 ]; then echo "no stop was recorded" >&2; exit 1; fi
done
echo $(($(date +%s%3N) - started)) ${looks:-0}
"#;

/// One measurement in seconds. The node stays in standby.
pub(super) fn measure(lab: &Lab) -> Result<f64> {
    let output = lab.exec("node-1", &["sh", "-euc", MEASURE, "sh", NODE])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [millis, looks] = numbers.as_slice() else {
        return Err(anyhow::anyhow!("{text:?}")).context("the floor was not measured");
    };
    eprintln!("bench: floor: {:.2} s (a look every {:.0} ms)", millis / 1000.0, millis / looks.max(1.0));
    Ok(millis / 1000.0)
}

/// Brings the node back.
pub(super) fn undo(lab: &Lab) -> Result<()> {
    lab.exec("node-1", &["crm_attribute", "--node", NODE, "--name", "standby", "--delete", "--lifetime", "forever"])?;
    Ok(())
}
