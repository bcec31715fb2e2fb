//! Reads the meaning of a refusal out of Proxmox's status and words. Most refusals are plain 500s
//! that differ in their text only, so the texts are matched here, in one place, and nowhere else.

use std::collections::BTreeMap;

/// What a refusal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token, password or ticket is not accepted.
    Unauthorized,
    /// The password is right, and the account asks for a second factor, which no service can give.
    SecondFactor,
    /// A privilege is missing.
    Forbidden {
        /// The object it is missing on; empty when Proxmox does not name it.
        path: String,
        /// The privileges, one of which would do.
        privileges: Vec<String>,
    },
    /// A parameter is wrong; see the fields of the error.
    Validation,
    /// The VMID belongs to another guest.
    VmidTaken,
    /// The configuration's lock file could not be had in time.
    LockTimeout,
    /// The guest is locked by an operation, such as `create` or `backup`.
    Locked(String),
    /// The guest is stopped already.
    NotRunning,
    /// The guest runs already.
    AlreadyRunning,
    /// The guest has to be stopped first.
    Running,
    /// The guest, or the task, does not exist.
    Missing,
    /// The storage does not exist.
    StorageMissing,
    /// Protection mode forbids removal.
    Protected,
    /// The guest is managed by high availability.
    HaManaged,
    /// The cluster has no quorum.
    NoQuorum,
    /// This release has no such call.
    NotImplemented,
    /// Anything else.
    Other,
}

/// Reads status, text and validation errors.
pub(crate) fn classify(status: u16, text: &str, fields: &BTreeMap<String, String>) -> Refusal {
    match status {
        401 => Refusal::Unauthorized,
        403 => forbidden(text),
        400 => bad_request(text, fields),
        501 => Refusal::NotImplemented,
        _ => by_text(text).unwrap_or(Refusal::Other),
    }
}

fn bad_request(text: &str, fields: &BTreeMap<String, String>) -> Refusal {
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if field("vmid").contains("already exists") {
        Refusal::VmidTaken
    } else if field("upid").contains("no such task") {
        Refusal::Missing
    } else if field("storage").contains("does not exist") {
        Refusal::StorageMissing
    } else {
        by_text(text).unwrap_or(Refusal::Validation)
    }
}

/// `Permission check failed (/vms/101, VM.Audit|VM.Console)`.
fn forbidden(text: &str) -> Refusal {
    let inner = text.split_once('(').map_or("", |(_, rest)| rest);
    let inner = inner.trim_end().trim_end_matches(')');
    let (path, privileges) = match inner.split_once(',') {
        Some((path, privileges)) if path.starts_with('/') => (path, privileges),
        _ => ("", ""),
    };
    Refusal::Forbidden {
        path: path.trim().to_owned(),
        privileges: privileges
            .split('|')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

fn by_text(text: &str) -> Option<Refusal> {
    let has = |part: &str| text.contains(part);
    let kind = if has("got timeout") && has("can't lock file") || has("got lock request timeout") {
        Refusal::LockTimeout
    } else if let Some(lock) = between(text, "is locked (", ")") {
        Refusal::Locked(lock.to_owned())
    } else if guest_exists(text) {
        Refusal::VmidTaken
    } else if has("no quorum") {
        Refusal::NoQuorum
    } else if has("already running") {
        Refusal::AlreadyRunning
    } else if has("not running") {
        Refusal::NotRunning
    } else if has("container is running") {
        Refusal::Running
    } else if has("protection mode enabled") {
        Refusal::Protected
    } else if has("used in HA resources") {
        Refusal::HaManaged
    } else if between(text, "storage '", "' does not exist").is_some() {
        Refusal::StorageMissing
    } else if between(text, "Configuration file '", "' does not exist").is_some()
        || has("no such task")
    {
        Refusal::Missing
    } else if has("SSH public key validation error") {
        Refusal::Validation
    } else {
        return None;
    };
    Some(kind)
}

/// `CT 101 already exists on node 'pve'`, by itself or at the end of `unable to create CT 101 - …`.
fn guest_exists(text: &str) -> bool {
    let Some((before, _)) = text.split_once(" already exists") else {
        return false;
    };
    let mut words = before.rsplit(' ');
    let number = words.next().unwrap_or_default();
    let noun = words.next().unwrap_or_default();
    number.parse::<crate::Vmid>().is_ok() && matches!(noun, "CT" | "VM")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(status: u16, text: &str) -> Refusal {
        classify(status, text, &BTreeMap::new())
    }

    #[test]
    fn every_text_of_proxmox_has_its_meaning() {
        for (text, kind) in [
            ("CT 101 already exists on node 'pve'", Refusal::VmidTaken),
            (
                "unable to create CT 101 - CT 101 already exists on node 'pve'",
                Refusal::VmidTaken,
            ),
            ("VM 101 already exists on node 'pve'", Refusal::VmidTaken),
            (
                "unable to create CT 101 - can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout",
                Refusal::LockTimeout,
            ),
            (
                "cfs-lock 'storage-nfs' error: got lock request timeout",
                Refusal::LockTimeout,
            ),
            ("CT is locked (create)", Refusal::Locked("create".into())),
            (
                "CT is locked (snapshot-delete)",
                Refusal::Locked("snapshot-delete".into()),
            ),
            ("CT 101 already running", Refusal::AlreadyRunning),
            ("CT 101 not running", Refusal::NotRunning),
            ("VM 101 not running", Refusal::NotRunning),
            (
                "unable to destroy CT 101 - container is running",
                Refusal::Running,
            ),
            (
                "can't remove CT 101 - protection mode enabled",
                Refusal::Protected,
            ),
            (
                "unable to remove CT 101 - used in HA resources and purge parameter not set.",
                Refusal::HaManaged,
            ),
            ("cluster not ready - no quorum?", Refusal::NoQuorum),
            ("storage 'nope' does not exist", Refusal::StorageMissing),
            (
                "Configuration file 'nodes/pve/lxc/101.conf' does not exist",
                Refusal::Missing,
            ),
            ("SSH public key validation error", Refusal::Validation),
            ("volume 'local:x' already exists", Refusal::Other),
            ("unable to create CT 101 - rbd error", Refusal::Other),
            ("", Refusal::Other),
        ] {
            assert_eq!(plain(500, text), kind, "{text}");
        }
        assert_eq!(
            plain(501, "Method 'POST /x' not implemented"),
            Refusal::NotImplemented
        );
        assert_eq!(plain(401, ""), Refusal::Unauthorized);
    }

    #[test]
    fn a_forbidden_call_names_the_object_and_the_privileges() {
        assert_eq!(
            plain(
                403,
                "Permission check failed (/vms/101, VM.Audit|VM.Console)"
            ),
            Refusal::Forbidden {
                path: "/vms/101".into(),
                privileges: vec!["VM.Audit".into(), "VM.Console".into()],
            }
        );
        let unnamed = Refusal::Forbidden {
            path: String::new(),
            privileges: vec![],
        };
        assert_eq!(
            plain(403, "Permission check failed (pool 'x' does not exist)"),
            unnamed
        );
        assert_eq!(plain(403, ""), unnamed);
    }

    #[test]
    fn a_validation_error_is_read_from_its_fields() {
        let with = |name: &str, problem: &str| {
            let fields = BTreeMap::from([(name.to_owned(), problem.to_owned())]);
            classify(400, "Parameter verification failed.", &fields)
        };
        assert_eq!(with("vmid", "VM 100 already exists"), Refusal::VmidTaken);
        assert_eq!(with("upid", "no such task"), Refusal::Missing);
        assert_eq!(
            with("upid", "unable to parse worker upid"),
            Refusal::Validation
        );
        assert_eq!(with("hostname", "invalid format"), Refusal::Validation);
        assert_eq!(
            with(
                "storage",
                "storage 'x' does not support container directories"
            ),
            Refusal::Validation
        );
    }
}
