//! The files of a unit, and whether it starts at boot.
//!
//! That a unit exists is asked of the files on disk (`list-unit-files`), because `LoadUnit` makes an object of any name.
//! The content is read where systemd says that it took it from, by its SHA-256: what two nodes run is the same where
//! these are. The drop-in that Pacemaker writes for the units that it runs comes and goes with it, and does not count.
//!
//! Enabling and disabling changes links below `/etc/systemd`; systemd's own view of them follows with a reload, as
//! `systemctl` does it.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use zbus::{OwnedVariant, proxy::CacheProperties};

use super::{
    Systemd,
    bus::{PropertiesProxy, changed, unanswered},
    manager,
};
use crate::{
    clone::{Enablement, UnitFile, unit::Part},
    model::{NodeName, UnitName},
    provider::{ProviderError, Result, UnitFiles},
};

/// The drop-in that Pacemaker writes (`services_systemd.c`), below `/run/systemd/system/UNIT.d/`.
const PACEMAKERS: &str = "/50-pacemaker.conf";
/// Files of one unit that are read; nobody has more.
const MOST_PARTS: usize = 64;

#[async_trait]
impl UnitFiles for Systemd {
    async fn files(&self, node: &NodeName, unit: &UnitName) -> Result<UnitFile> {
        let (mut file, paths) = self.in_time(self.described(node, unit)).await?;
        if !paths.is_empty() {
            file.parts = self.in_time(self.hashed(node, &paths)).await?;
        }
        Ok(file)
    }

    async fn set_boot(&self, node: &NodeName, unit: &UnitName, from: &Enablement, to: &Enablement) -> Result<()> {
        let verb = if to.at_boot() { "enable" } else { "disable" };
        let context = format!("{verb} {unit} on {node}");
        self.in_time(async {
            let bus = self.bus(node).await?;
            let manager = manager(&bus).await.map_err(|e| unanswered(&context, &e))?;
            let files = [unit.as_str()];
            let done = match to.at_boot() {
                true => manager.enable_unit_files(&files, to.is_runtime(), false).await.map(drop),
                false => manager.disable_unit_files(&files, from.is_runtime()).await.map(drop),
            };
            done.map_err(|e| changed(&context, &e))?;
            manager.reload().await.map_err(|e| changed(&context, &e))
        })
        .await
    }
}

impl Systemd {
    /// What systemd says, and the paths of the files that it took it from.
    async fn described(&self, node: &NodeName, unit: &UnitName) -> Result<(UnitFile, Vec<String>)> {
        let context = format!("{unit} on {node}");
        let bus = self.bus(node).await?;
        let ask = async {
            let manager = manager(&bus).await?;
            let names = names(unit);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let listed = manager.list_unit_files_by_patterns(&[], &names).await?;
            let path = manager.load_unit(unit.as_str()).await?;
            let unit = PropertiesProxy::builder(&bus).path(path).cache_properties(CacheProperties::No).build().await?;
            let general = unit.get_all("org.freedesktop.systemd1.Unit").await?;
            // Only services have these.
            let own = unit.get_all("org.freedesktop.systemd1.Service").await.unwrap_or_default();
            Ok((!listed.is_empty(), Properties(general), Properties(own)))
        };
        let (exists, general, own) = ask.await.map_err(|e: zbus::Error| unanswered(&context, &e))?;
        let missing = |name: &str| ProviderError::Unexpected(format!("{context}: no property {name}"));
        let text = |name: &str| general.text(name).ok_or_else(|| missing(name));
        let mut paths = vec![text("FragmentPath")?];
        paths.extend(general.texts("DropInPaths").ok_or_else(|| missing("DropInPaths"))?);
        paths.retain(|path| !path.is_empty() && !path.ends_with(PACEMAKERS));
        if paths.len() > MOST_PARTS {
            return Err(ProviderError::Unexpected(format!("{context}: it is made of {} files", paths.len())));
        }
        let file = UnitFile {
            exists,
            load: text("LoadState")?,
            active: text("ActiveState")?,
            enablement: Enablement::new(text("UnitFileState")?),
            parts: Vec::new(),
            stale: general.flag("NeedDaemonReload").ok_or_else(|| missing("NeedDaemonReload"))?,
            start_timeout: own.microseconds("TimeoutStartUSec"),
            stop_timeout: own.microseconds("TimeoutStopUSec"),
        };
        Ok((file, paths))
    }

    async fn hashed(&self, node: &NodeName, paths: &[String]) -> Result<Vec<Part>> {
        let unknown = || ProviderError::Unreachable(format!("{node} is not a node whose systemd is known"));
        let host = self.hosts.get(node).ok_or_else(unknown)?;
        let arguments: Vec<&str> = ["sha256sum", "--"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let output = self.access.run(host, &arguments, self.limit).await?;
        if output.code != Some(0) {
            let said = output.stderr.lines().next().unwrap_or("sha256sum gave no reason").to_owned();
            return Err(ProviderError::Unexpected(format!("{node}: {said}")));
        }
        let sums: Vec<&str> = output.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
        if sums.len() != paths.len() {
            let (got, wanted) = (sums.len(), paths.len());
            return Err(ProviderError::Unexpected(format!("{node}: sha256sum told of {got} files, not of {wanted}")));
        }
        // A name with a line break or a backslash makes the tool write a backslash first; none of a unit's has.
        let mut parts: Vec<Part> =
            paths.iter().zip(sums).map(|(path, sum)| Part { path: path.clone(), sha256: sum.to_owned() }).collect();
        // The unit's own file stays first; drop-ins count in the order of their names, as systemd reads them.
        if let Some((_, dropins)) = parts.split_first_mut() {
            dropins.sort_by(|a, b| a.name().cmp(b.name()));
        }
        Ok(parts)
    }
}

/// The names under which a unit's file can be listed: an instance's is its template's.
fn names(unit: &UnitName) -> Vec<String> {
    let name = unit.as_str();
    let template =
        name.split_once('@').zip(name.rsplit_once('.')).map(|((stem, _), (_, kind))| format!("{stem}@.{kind}"));
    std::iter::once(name.to_owned()).chain(template).collect()
}

struct Properties(HashMap<String, OwnedVariant>);

impl Properties {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.downcast_ref::<&str>().ok().map(str::to_owned)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.downcast_ref::<bool>().ok()
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        Vec::<String>::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    /// A time; `None` where it is for ever.
    fn microseconds(&self, name: &str) -> Option<Duration> {
        let value = self.0.get(name)?.downcast_ref::<u64>().ok()?;
        (value != u64::MAX).then(|| Duration::from_micros(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_listed_by_its_template() {
        assert_eq!(names(&"app.service".into()), ["app.service"]);
        assert_eq!(names(&"app@a.b.service".into()), ["app@a.b.service", "app@.service"]);
    }
}
