//! The roles that Proxmox comes with, as far as they matter to containers.

use std::collections::{BTreeMap, BTreeSet};

const GUEST_USER: &[&str] = &[
    "VM.Audit",
    "VM.Backup",
    "VM.Config.CDROM",
    "VM.Config.Cloudinit",
    "VM.Console",
    "VM.PowerMgmt",
];
const GUEST_ADMIN: &[&str] = &[
    "VM.Allocate",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Migrate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
];
const AUDIT: &[&str] = &[
    "Datastore.Audit",
    "Mapping.Audit",
    "Pool.Audit",
    "SDN.Audit",
    "Sys.Audit",
    "VM.Audit",
];
const STORE_USER: &[&str] = &["Datastore.AllocateSpace", "Datastore.Audit"];
const STORE_ADMIN: &[&str] = &["Datastore.Allocate", "Datastore.AllocateTemplate"];
const REST: &[&str] = &[
    "Group.Allocate",
    "Mapping.Modify",
    "Mapping.Use",
    "Permissions.Modify",
    "Pool.Allocate",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "SDN.Allocate",
    "SDN.Use",
    "Sys.AccessNetwork",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "Sys.Syslog",
    "User.Modify",
];

/// The built-in roles and their privileges.
pub(super) fn builtin() -> BTreeMap<String, BTreeSet<String>> {
    let role = |name: &str, parts: &[&[&str]]| {
        let privileges = parts
            .iter()
            .flat_map(|part| part.iter())
            .map(|one| (*one).to_owned())
            .collect();
        (name.to_owned(), privileges)
    };
    BTreeMap::from([
        role("NoAccess", &[]),
        role(
            "Administrator",
            &[
                GUEST_USER,
                GUEST_ADMIN,
                AUDIT,
                STORE_USER,
                STORE_ADMIN,
                REST,
            ],
        ),
        role("PVEAuditor", &[AUDIT]),
        role("PVEDatastoreAdmin", &[STORE_USER, STORE_ADMIN]),
        role("PVEDatastoreUser", &[STORE_USER]),
        role("PVEPoolAdmin", &[&["Pool.Allocate", "Pool.Audit"]]),
        role("PVEPoolUser", &[&["Pool.Audit"]]),
        role("PVESDNUser", &[&["SDN.Audit", "SDN.Use"]]),
        role("PVEVMAdmin", &[GUEST_USER, GUEST_ADMIN]),
        role("PVEVMUser", &[GUEST_USER]),
    ])
}
