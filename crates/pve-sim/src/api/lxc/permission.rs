//! The privilege that each option of a container needs (`PVE::LXC::check_modify_ct_config_perm`).

use crate::access::{Access, ROOT};
use crate::response::ErrorResponse;
use crate::schema::{Params, property};

/// Parameters that are no options of the container; creation checks them itself.
pub(super) const NOT_OPTIONS: &[&str] = &[
    "node",
    "vmid",
    "ostemplate",
    "password",
    "ssh-public-keys",
    "storage",
    "pool",
    "start",
    "bwlimit",
    "force",
    "restore",
    "unique",
    "ha-managed",
    "ignore-unpack-errors",
    "delete",
    "digest",
    "revert",
    "unprivileged",
];

/// Checks every given option. A container that is to join a pool may be configured with rights on
/// the pool.
pub(super) fn check_options(
    access: &Access,
    authid: &str,
    vmid: u32,
    pool: Option<&str>,
    params: &Params,
) -> Result<(), ErrorResponse> {
    if authid == ROOT {
        return Ok(());
    }
    let needs = |privilege: &str| access.check_guest(authid, vmid, pool, &[privilege]);
    let deleted: Vec<&str> = params
        .text("delete")
        .map(|text| crate::schema::format::list(text).collect())
        .unwrap_or_default();
    for name in params.names().chain(deleted) {
        if NOT_OPTIONS.contains(&name) {
            continue;
        }
        let family = name.trim_end_matches(|c: char| c.is_ascii_digit());
        match family {
            "cores" | "cpulimit" | "cpuunits" => needs("VM.Config.CPU")?,
            "memory" | "swap" => needs("VM.Config.Memory")?,
            "rootfs" | "mp" => {
                needs("VM.Config.Disk")?;
                let value = params.text(name).unwrap_or_default();
                if property::pairs(value)
                    .iter()
                    .any(|(key, value)| matches!(*key, "" | "volume") && value.starts_with('/'))
                {
                    return Err(ErrorResponse::forbidden(
                        "mount point type bind is only allowed for root@pam",
                    ));
                }
            }
            "net" => {
                needs("VM.Config.Network")?;
                check_bridge(access, authid, params.text(name).unwrap_or_default())?;
            }
            "nameserver" | "searchdomain" | "hostname" => needs("VM.Config.Network")?,
            "features" => check_features(params.text(name).unwrap_or_default())
                .and_then(|()| needs("VM.Allocate"))?,
            // Rights on a pool do not count for tags.
            "tags" => access.check(authid, &format!("/vms/{vmid}"), &["VM.Config.Options"])?,
            "dev" => {
                return Err(ErrorResponse::forbidden(
                    "configuring device passthrough is only allowed for root@pam",
                ));
            }
            "hookscript" => {
                return Err(ErrorResponse::forbidden(
                    "changing the hookscript is only allowed for root@pam",
                ));
            }
            _ => needs("VM.Config.Options")?,
        }
    }
    Ok(())
}

fn check_bridge(access: &Access, authid: &str, net: &str) -> Result<(), ErrorResponse> {
    let pairs = property::pairs(net);
    let Some(bridge) = pairs.get("bridge") else {
        return Ok(());
    };
    let mut path = access.bridge_path(bridge);
    if let Some(tag) = pairs.get("tag") {
        path = format!("{path}/{tag}");
    }
    access.check(authid, &path, &["SDN.Use"])
}

fn check_features(value: &str) -> Result<(), ErrorResponse> {
    let pairs = property::pairs(value);
    if !pairs.is_empty() && pairs.keys().all(|key| *key == "nesting") {
        return Ok(());
    }
    Err(ErrorResponse::forbidden(
        "changing feature flags (except nesting) is only allowed for root@pam",
    ))
}
