//! Parameters of the container methods (`PVE::LXC::Config`, `PVE::API2::LXC`).

use crate::schema::property::{features, net, volume};
use crate::schema::{Param, ParamKind, format, numbered, optional, required};

const MANY: i64 = i64::MAX;

/// Options at creation and later.
pub(crate) const OPTIONS: &[Param] = &[
    optional(
        "arch",
        ParamKind::OneOf(&["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"]),
    ),
    optional("cmode", ParamKind::OneOf(&["shell", "console", "tty"])),
    optional("console", ParamKind::Bool),
    optional("cores", ParamKind::Int(1, 8192)),
    optional("cpulimit", ParamKind::Number(0.0, 8192.0)),
    optional("cpuunits", ParamKind::Int(0, 500_000)),
    optional("debug", ParamKind::Bool),
    optional("description", ParamKind::Text(0, 8192)),
    numbered("dev", 256, ParamKind::Text(1, 255)),
    optional("entrypoint", ParamKind::Text(0, 1024)),
    optional("env", ParamKind::Text(0, 4096)),
    optional("features", ParamKind::Format(255, features)),
    optional("hookscript", ParamKind::Text(1, 255)),
    optional("hostname", ParamKind::Format(255, format::dns_name)),
    optional(
        "lock",
        ParamKind::OneOf(&[
            "backup",
            "create",
            "destroyed",
            "disk",
            "fstrim",
            "migrate",
            "mounted",
            "rollback",
            "snapshot",
            "snapshot-delete",
        ]),
    ),
    optional("memory", ParamKind::Int(16, MANY)),
    numbered("mp", 256, ParamKind::Format(1024, volume)),
    optional("nameserver", ParamKind::Format(255, format::address_list)),
    numbered("net", 32, ParamKind::Format(1024, net)),
    optional("onboot", ParamKind::Bool),
    optional(
        "ostype",
        ParamKind::OneOf(&[
            "debian",
            "devuan",
            "ubuntu",
            "centos",
            "fedora",
            "opensuse",
            "archlinux",
            "alpine",
            "gentoo",
            "nixos",
            "unmanaged",
        ]),
    ),
    optional("protection", ParamKind::Bool),
    optional("rootfs", ParamKind::Format(1024, volume)),
    optional(
        "searchdomain",
        ParamKind::Format(255, format::dns_name_list),
    ),
    optional("startup", ParamKind::Text(0, 255)),
    optional("swap", ParamKind::Int(0, MANY)),
    optional("tags", ParamKind::Format(1024, format::tags)),
    optional("template", ParamKind::Bool),
    optional("timezone", ParamKind::Format(64, format::timezone)),
    optional("tty", ParamKind::Int(0, 6)),
    optional("unprivileged", ParamKind::Bool),
    numbered("unused", 256, ParamKind::Text(1, 255)),
];

/// Options at creation only.
pub(crate) const CREATE: &[Param] = &[
    optional("bwlimit", ParamKind::Number(0.0, f64::MAX)),
    optional("force", ParamKind::Bool),
    optional("ha-managed", ParamKind::Bool),
    optional("ignore-unpack-errors", ParamKind::Bool),
    required("ostemplate", ParamKind::Text(0, 255)),
    optional("password", ParamKind::Text(5, 4096)),
    optional("pool", ParamKind::Format(255, format::pool)),
    optional("restore", ParamKind::Bool),
    optional("ssh-public-keys", ParamKind::Text(0, 65536)),
    optional("start", ParamKind::Bool),
    optional("storage", ParamKind::Format(255, format::storage)),
    optional("unique", ParamKind::Bool),
    required("vmid", ParamKind::Int(100, 999_999_999)),
];

/// Parameters of a change only.
pub(crate) const UPDATE: &[Param] = &[
    optional("delete", ParamKind::Text(0, 1024)),
    optional("digest", ParamKind::Text(0, 40)),
    optional("revert", ParamKind::Text(0, 1024)),
];

/// Holders of any of these may try to change a configuration.
pub(crate) const CONFIG_PRIVILEGES: &[&str] = &[
    "VM.Config.Disk",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
];

pub(crate) const READ_CONFIG: &[Param] = &[
    optional("current", ParamKind::Bool),
    optional("snapshot", ParamKind::Text(1, 40)),
];

pub(crate) const DESTROY: &[Param] = &[
    optional("destroy-unreferenced-disks", ParamKind::Bool),
    optional("force", ParamKind::Bool),
    optional("purge", ParamKind::Bool),
];

pub(crate) const START: &[Param] = &[
    optional("debug", ParamKind::Bool),
    optional("skiplock", ParamKind::Bool),
];

pub(crate) const STOP: &[Param] = &[
    optional("overrule-shutdown", ParamKind::Bool),
    optional("skiplock", ParamKind::Bool),
];

pub(crate) const SHUTDOWN: &[Param] = &[
    optional("forceStop", ParamKind::Bool),
    optional("timeout", ParamKind::Int(0, MANY)),
];

pub(crate) const REBOOT: &[Param] = &[optional("timeout", ParamKind::Int(0, MANY))];

pub(crate) const RRD: &[Param] = &[
    optional("cf", ParamKind::OneOf(&["AVERAGE", "MAX"])),
    required(
        "timeframe",
        ParamKind::OneOf(&["hour", "day", "week", "month", "year", "decade"]),
    ),
];
