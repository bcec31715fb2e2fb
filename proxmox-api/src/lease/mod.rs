//! The life of a lease, from a container that is made to one that is removed. The states and their
//! allowed transitions are in `store::LeaseState`, beside the row.
//!
//! | Folder | What it does | Used by |
//! | --- | --- | --- |
//! | [`container`] | one container: finds it, reads its marker, starts and halts it, reads its address | all others |
//! | [`network`] | fence, links that wait for it, traffic that is counted and limited | making, ending, comparing |
//! | [`guest`] | the ways into a container: SSH or its terminal; background commands, files, connections to its ports | `making`, `operations`, `routes`, `console`, `ingress`, `jump`, `doctor` |
//! | [`making`] | creates a container for a lease and probes it | `operations::lease_container` |
//! | [`ending`] | the worker that ends leases in time, removal, containers whose payment is unknown | a worker, `operations` |
//! | [`comparing`] | compares leases with Proxmox every minute: moved, lost, rebooted, orphaned | a worker |
//! | [`owner`] | who may use a lease; power and early end | `routes`, `operations` |
//! | [`ports`] | published ports: names, tokens | `routes`, `ingress` |
//! | [`ssh`] | customers' SSH: keys, what their clients need | `routes`, `jump` |
//! | [`view`] | a lease as its owner sees it, its usage, public counts | `routes`, `operations` |
//!
//! Everything that acts on a container locates it first ([`container::locate`]), because
//! administrators move, copy and replace containers. Work on a lease holds its lock,
//! `App::leases_in_work`.

pub mod comparing;
pub mod container;
pub mod ending;
pub mod guest;
pub mod making;
pub mod network;
pub mod owner;
pub mod ports;
pub mod ssh;
pub mod view;
