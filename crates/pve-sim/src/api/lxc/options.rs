//! Parameters of the container methods (`PVE::LXC::Config`, `PVE::API2::LXC`).

use crate::schema::property::{features, net, volume};
use crate::schema::{Kind, Param, format, numbered, optional, required};

const MANY: i64 = i64::MAX;

/// Options at creation and later.
pub(crate) const OPTIONS: &[Param] = &[
    optional(
        "arch",
        Kind::OneOf(&["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"]),
    ),
    optional("cmode", Kind::OneOf(&["shell", "console", "tty"])),
    optional("console", Kind::Bool),
    optional("cores", Kind::Int(1, 8192)),
    optional("cpulimit", Kind::Number(0.0, 8192.0)),
    optional("cpuunits", Kind::Int(0, 500_000)),
    optional("debug", Kind::Bool),
    optional("description", Kind::Text(0, 8192)),
    numbered("dev", 256, Kind::Text(1, 255)),
    optional("entrypoint", Kind::Text(0, 1024)),
    optional("env", Kind::Text(0, 4096)),
    optional("features", Kind::Format(255, features)),
    optional("hookscript", Kind::Text(1, 255)),
    optional("hostname", Kind::Format(255, format::dns_name)),
    optional(
        "lock",
        Kind::OneOf(&[
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
    optional("memory", Kind::Int(16, MANY)),
    numbered("mp", 256, Kind::Format(1024, volume)),
    optional("nameserver", Kind::Format(255, format::address_list)),
    numbered("net", 32, Kind::Format(1024, net)),
    optional("onboot", Kind::Bool),
    optional(
        "ostype",
        Kind::OneOf(&[
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
    optional("protection", Kind::Bool),
    optional("rootfs", Kind::Format(1024, volume)),
    optional("searchdomain", Kind::Format(255, format::dns_name_list)),
    optional("startup", Kind::Text(0, 255)),
    optional("swap", Kind::Int(0, MANY)),
    optional("tags", Kind::Format(1024, format::tags)),
    optional("template", Kind::Bool),
    optional("timezone", Kind::Format(64, format::timezone)),
    optional("tty", Kind::Int(0, 6)),
    optional("unprivileged", Kind::Bool),
    numbered("unused", 256, Kind::Text(1, 255)),
];

/// Options at creation only.
pub(crate) const CREATE: &[Param] = &[
    optional("bwlimit", Kind::Number(0.0, f64::MAX)),
    optional("force", Kind::Bool),
    optional("ha-managed", Kind::Bool),
    optional("ignore-unpack-errors", Kind::Bool),
    required("ostemplate", Kind::Text(0, 255)),
    optional("password", Kind::Text(5, 4096)),
    optional("pool", Kind::Format(255, format::pool)),
    optional("restore", Kind::Bool),
    optional("ssh-public-keys", Kind::Text(0, 65536)),
    optional("start", Kind::Bool),
    optional("storage", Kind::Format(255, format::storage)),
    optional("unique", Kind::Bool),
    required("vmid", Kind::Int(100, 999_999_999)),
];

/// Parameters of a change only.
pub(crate) const UPDATE: &[Param] = &[
    optional("delete", Kind::Text(0, 1024)),
    optional("digest", Kind::Text(0, 40)),
    optional("revert", Kind::Text(0, 1024)),
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
    optional("current", Kind::Bool),
    optional("snapshot", Kind::Text(1, 40)),
];

pub(crate) const DESTROY: &[Param] = &[
    optional("destroy-unreferenced-disks", Kind::Bool),
    optional("force", Kind::Bool),
    optional("purge", Kind::Bool),
];

pub(crate) const START: &[Param] = &[
    optional("debug", Kind::Bool),
    optional("skiplock", Kind::Bool),
];

pub(crate) const STOP: &[Param] = &[
    optional("overrule-shutdown", Kind::Bool),
    optional("skiplock", Kind::Bool),
];

pub(crate) const SHUTDOWN: &[Param] = &[
    optional("forceStop", Kind::Bool),
    optional("timeout", Kind::Int(0, MANY)),
];

pub(crate) const REBOOT: &[Param] = &[optional("timeout", Kind::Int(0, MANY))];

pub(crate) const RRD: &[Param] = &[
    optional("cf", Kind::OneOf(&["AVERAGE", "MAX"])),
    required(
        "timeframe",
        Kind::OneOf(&["hour", "day", "week", "month", "year", "decade"]),
    ),
];
