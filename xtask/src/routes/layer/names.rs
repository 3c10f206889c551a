//! DNS: the zone on both servers, and when each had the change.

use anyhow::{Context, Result};

use super::{Layer, Moment, Window};
use crate::lab::{Lab, ZONE};

/// The records of one name.
pub(in crate::routes) struct Names(pub(in crate::routes) &'static str);

impl Names {
    /// From the first update on the primary to the secondary's transfer of the last one.
    fn changed(&self, lab: &Lab, during: Window) -> Result<Moment> {
        let name = format!(" {}.{ZONE} ", self.0);
        let updates = lab.zone_updates()?.into_iter();
        let ours =
            updates.filter(|u| u.key == "tidegate" && format!("{} ", u.what).contains(&name) && during.has(u.at));
        let changed = Moment::of(ours.map(|update| update.at)).context("dns-1 logged no update")?;
        let followed = lab.zone_transfers()?.into_iter().map(|(at, _)| at).find(|at| *at >= changed.last);
        let followed = followed.context("dns-2 logged no transfer after it")?;
        Ok(Moment { last: followed, ..changed })
    }
}

impl Layer for Names {
    fn name(&self) -> String {
        format!("DNS {}", self.0)
    }

    /// The whole zone but its serial, and the answers in their order.
    fn picture(&self, lab: &Lab) -> Result<String> {
        let mut text = String::new();
        for server in ["dns-1", "dns-2"] {
            let zone = lab.shell(server, &format!("dig @127.0.0.1 {ZONE} AXFR +noall +answer +tries=1 +time=2"))?;
            text += &zone
                .lines()
                .filter(|line| !line.contains("\tSOA\t"))
                .map(|line| format!("{line}\n"))
                .collect::<String>();
            text += &lab.dig(server, self.0, "A")?.join("\n");
            text.push('\n');
        }
        Ok(text)
    }

    fn left(&self, lab: &Lab, _node: &str, during: Window) -> Result<Moment> {
        self.changed(lab, during)
    }

    fn back(&self, lab: &Lab, _node: &str, during: Window) -> Result<Moment> {
        self.changed(lab, during)
    }
}
