//! The few methods of systemd's D-Bus interface that are used (org.freedesktop.systemd1(5)), and what its errors mean.

use std::collections::HashMap;

use zbus::{DBusError, OwnedObjectPath, OwnedVariant};

use crate::provider::ProviderError;

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    /// Asks for signals; systemd sends none to anybody until somebody does.
    fn subscribe(&self) -> zbus::Result<()>;

    /// The unit's object, loaded from disk where it is not in memory.
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    /// The files of units whose names match, each with its state.
    fn list_unit_files_by_patterns(&self, states: &[&str], patterns: &[&str]) -> zbus::Result<Vec<(String, String)>>;

    /// Takes units out of the boot, and says which links went.
    fn disable_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<Vec<(String, String, String)>>;

    /// Puts units into the boot, and says which links came.
    fn enable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> zbus::Result<(bool, Vec<(String, String, String)>)>;

    /// Reads the files of all units anew.
    fn reload(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

#[zbus::proxy(interface = "org.freedesktop.DBus.Properties", default_service = "org.freedesktop.systemd1")]
pub(super) trait Properties {
    /// Every property of one interface, all of one moment.
    fn get_all(&self, interface: &str) -> zbus::Result<HashMap<String, OwnedVariant>>;

    #[zbus(signal)]
    fn properties_changed(
        &self,
        interface: String,
        changed: HashMap<String, OwnedVariant>,
        invalidated: Vec<String>,
    ) -> zbus::Result<()>;
}

/// Whether a subscription was refused only because there is one.
pub(super) fn already_subscribed(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..) if name.as_str() == "org.freedesktop.systemd1.AlreadySubscribed")
}

/// Errors by which the bus or systemd says no, and has changed nothing; systemd's own names beside them.
const NO: [&str; 7] = [
    "AccessDenied",
    "InteractiveAuthorizationRequired",
    "InvalidArgs",
    "NotSupported",
    "ServiceUnknown",
    "UnknownMethod",
    "UnknownObject",
];

/// What an error says of a *question*: nothing was to change, so a lost connection is just no answer.
pub(super) fn unanswered(context: &str, error: &zbus::Error) -> ProviderError {
    match changed(context, error) {
        refused @ ProviderError::Refused(_) => refused,
        _ => ProviderError::Unreachable(format!("{context}: {error}")),
    }
}

/// What an error says of a *change*: a clear no, or that nobody knows.
pub(super) fn changed(context: &str, error: &zbus::Error) -> ProviderError {
    let (name, why) = match error {
        zbus::Error::MethodError(name, why, _) => (name.as_str().to_owned(), why.as_deref()),
        zbus::Error::FDO(error) => (error.name().as_str().to_owned(), error.description()),
        _ => (String::new(), None),
    };
    let no = name.starts_with("org.freedesktop.systemd1.")
        || name.strip_prefix("org.freedesktop.DBus.Error.").is_some_and(|short| NO.contains(&short));
    if no {
        return ProviderError::Refused(format!("{context}: {}", why.unwrap_or(&name)));
    }
    ProviderError::Unexpected(format!("{context}: {error}; what systemd does now is unknown"))
}
