//! `/nodes/{node}/lxc`: containers.

mod clone;
mod configuration;
mod create;
mod destroy;
mod migrate;
mod options;
mod permission;
mod power;
mod read;
mod restore;
mod rootfs;
mod snapshot;
mod terminal;
mod update;

pub(super) use clone::{CLONE, clone};
pub(super) use create::create;
pub(super) use destroy::destroy;
pub(super) use migrate::{MIGRATE, migrate};
pub(super) use options::{
    CONFIG_PRIVILEGES, CREATE, DESTROY, OPTIONS, READ_CONFIG, REBOOT, RRD, SHUTDOWN, START, STOP,
    UPDATE,
};
pub(super) use power::{reboot, shutdown, start, stop};
pub(super) use read::{config, current, interfaces, list, memory_used, rrd};
pub(super) use snapshot::{
    REMOVE_SNAPSHOT, SNAPSHOT, remove_snapshot, snapshot, snapshots, template,
};
pub(super) use terminal::{SOCKET, termproxy, vncwebsocket};
pub(super) use update::update;
