//! `/nodes/{node}/lxc`: containers.

mod configuration;
mod create;
mod destroy;
mod foreign;
mod options;
mod permission;
mod power;
mod read;
mod rootfs;
mod terminal;
mod update;

pub(super) use create::create;
pub(super) use destroy::destroy;
pub(crate) use foreign::put_foreign;
pub(super) use options::{
    CONFIG_PRIVILEGES, CREATE, DESTROY, OPTIONS, READ_CONFIG, REBOOT, RRD, SHUTDOWN, START, STOP,
    UPDATE,
};
pub(crate) use power::{fork_halt, fork_start};
pub(super) use power::{reboot, shutdown, start, stop};
pub(super) use read::{config, current, interfaces, list, memory_used, rrd};
pub(super) use terminal::{SOCKET, termproxy, vncwebsocket};
pub(super) use update::update;
