//! The simulated Proxmox of a campaign: faults before and after acting, and an administrator who
//! does not ask.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use pve_sim::{
    ContainerSnapshot, Fault, FaultKind, Operation, ShellMode, Sim, SimConfig, TerminalDefects,
};
use serde_json::Value;

use crate::{journal::Journal, random::SeededRandom};

/// The nodes of the cluster.
pub const NODES: [&str; 3] = ["pve", "pve2", "pve3"];

/// What an administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AdministratorAction {
    Migrates,
    Stops,
    Deletes,
    Locks,
    Clones,
    RebootsANode,
    TakesANodeAway,
}

const ADMINISTRATOR_ACTIONS: [(AdministratorAction, u32); 7] = [
    (AdministratorAction::Migrates, 30),
    (AdministratorAction::Stops, 20),
    (AdministratorAction::Deletes, 18),
    (AdministratorAction::Locks, 12),
    (AdministratorAction::Clones, 6),
    (AdministratorAction::RebootsANode, 6),
    (AdministratorAction::TakesANodeAway, 8),
];

/// The cluster.
pub struct Cluster {
    /// The simulator.
    pub sim: Arc<Sim>,
    journal: Arc<Journal>,
    copies: Mutex<BTreeSet<u32>>,
}

/// A container that an administrator removed, and when.
#[derive(Clone, Debug)]
pub struct RemovedContainer {
    /// The lease that its notes name.
    pub lease: String,
    /// Unix seconds of the campaign's time.
    pub at: u64,
}

impl Cluster {
    /// A cluster whose containers have the host's plain shell.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(journal: Arc<Journal>, seed: u64) -> Result<Self> {
        let config = SimConfig {
            nodes: NODES.map(String::from).into(),
            time_scale: 0.002,
            shell: ShellMode::HostForTests(PathBuf::from("/bin/sh")),
            terminal_defects: TerminalDefects::NONE,
            seed,
            ..SimConfig::default()
        };
        Ok(Self {
            sim: Arc::new(Sim::start(config).await?),
            journal,
            copies: Mutex::default(),
        })
    }

    /// The containers that the service made: neither the operator's own nor an administrator's
    /// copies.
    pub fn containers(&self) -> Vec<ContainerSnapshot> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.sim.containers();
        all.retain(|one| !one.foreign && !copies.contains(&one.vmid));
        all
    }

    /// Puts a fault in force that hits the next requests.
    pub fn inject_fault(&self, random: &mut SeededRandom) {
        let (on, kind) = fault(random);
        self.journal.fault(
            "proxmox",
            &format!("proxmox {}: {}", operation_name(&on), fault_name(&kind)),
        );
        let times = u32::try_from(random.between(1, 3)).unwrap_or(1);
        self.sim.faults().inject(Fault::times(on, kind, times));
    }

    /// Lets an administrator do something.
    pub async fn administer(
        &self,
        random: &mut SeededRandom,
        now: u64,
        removed: &Mutex<Vec<RemovedContainer>>,
    ) {
        let action = random.weighted(&ADMINISTRATOR_ACTIONS);
        let node = *random.pick(&NODES);
        let wait = Duration::from_millis(random.between(300, 1_500));
        let choice = random.between(0, 1 << 30);
        let containers = self.containers();
        let count = |text: &str| self.journal.fault("administrator", text);
        match action {
            AdministratorAction::RebootsANode => {
                self.sim.reboot_node(node);
                return count("administrator: reboots a node");
            }
            AdministratorAction::TakesANodeAway => {
                count("administrator: takes a node away for a moment");
                self.sim.set_node_online(node, false);
                tokio::time::sleep(wait).await;
                return self.sim.set_node_online(node, true);
            }
            _ => {}
        }
        // A container that is being made is locked, and no administrator's to touch.
        let free: Vec<_> = containers.iter().filter(|one| one.lock.is_none()).collect();
        let Some(one) = (!free.is_empty()).then(|| free[choice as usize % free.len()]) else {
            return;
        };
        let (vmid, lease) = (one.vmid, lease_of(one).unwrap_or_default());
        let note = |what: &str| {
            self.journal
                .fault(&lease, &format!("administrator: {what}"));
        };
        match action {
            AdministratorAction::Migrates => {
                self.sim.migrate(vmid, node);
                note("migrates a container");
            }
            AdministratorAction::Stops => {
                self.sim.kill_container(vmid);
                note("stops a container");
            }
            AdministratorAction::Deletes => {
                let at = now;
                self.sim.kill_container(vmid);
                self.sim.remove_container(vmid);
                note("deletes a container");
                removed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(RemovedContainer { lease, at });
            }
            AdministratorAction::Locks => {
                note("locks a container for a moment");
                self.sim.set_lock(vmid, Some("backup"));
                tokio::time::sleep(wait).await;
                self.sim.set_lock(vmid, None);
            }
            AdministratorAction::Clones => {
                let number = 1000 + u32::try_from(choice % 8_000).unwrap_or(0);
                if self.sim.container(number).is_some() {
                    return;
                }
                self.copies
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(number);
                self.sim.clone_container(vmid, number, Some("infra402"));
                note("clones a container");
            }
            AdministratorAction::RebootsANode | AdministratorAction::TakesANodeAway => {}
        }
    }

    /// The operator puts everything in order: no fault is in force, every node is there, no lock is
    /// left behind.
    pub fn put_in_order(&self) {
        self.sim.faults().clear();
        for node in NODES {
            self.sim.set_node_online(node, true);
        }
        for one in self.sim.containers() {
            if one.lock.is_some() {
                self.sim.set_lock(one.vmid, None);
            }
        }
    }
}

/// The lease that a container's notes name.
pub fn lease_of(one: &ContainerSnapshot) -> Option<String> {
    let notes = one.description.as_deref()?;
    let marker: Value = serde_json::from_str(notes.lines().next()?).ok()?;
    Some(marker["infra402"]["lease"].as_str()?.to_owned())
}

fn fault(random: &mut SeededRandom) -> (Operation, FaultKind) {
    let on = random.weighted(&[
        (0, 22),
        (1, 18),
        (2, 14),
        (3, 6),
        (4, 6),
        (5, 8),
        (6, 8),
        (7, 8),
        (8, 6),
        (9, 10),
    ]);
    let on = [
        Operation::Create,
        Operation::Start,
        Operation::Destroy,
        Operation::Stop,
        Operation::Status,
        Operation::Config,
        Operation::Resources,
        Operation::TaskStatus,
        Operation::Any,
        Operation::Websocket,
    ][on]
        .clone();
    let late = FaultKind::Late(Duration::from_millis(random.between(200, 2_500)));
    let slow = FaultKind::SlowTask(Duration::from_millis(random.between(300, 3_000)));
    let cut = usize::try_from(random.between(20, 600)).unwrap_or(100);
    let answers = [
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Answer596After,
        FaultKind::Html502,
        FaultKind::Unreachable595,
        FaultKind::EmptyBody,
        FaultKind::TruncatedBody,
        late,
    ];
    let tasks = [
        FaultKind::TaskFailure("command failed: exit code 5".into()),
        FaultKind::TaskUnexpectedStatus,
        slow,
        FaultKind::LockTimeout,
        FaultKind::NoQuorum,
    ];
    let kind = match on {
        Operation::Websocket => random
            .pick(&[
                FaultKind::CutAfter(cut),
                FaultKind::CutAfterTyped(cut),
                FaultKind::CutAfterTime(Duration::from_millis(150)),
                FaultKind::BusySession,
            ])
            .clone(),
        Operation::Create if random.percent(20) => random
            .pick(&[
                FaultKind::VmidTaken,
                FaultKind::StorageFull,
                FaultKind::Warnings,
            ])
            .clone(),
        Operation::Create | Operation::Start | Operation::Stop | Operation::Destroy
            if random.percent(45) =>
        {
            random.pick(&tasks).clone()
        }
        _ => random.pick(&answers).clone(),
    };
    (on, kind)
}

fn operation_name(on: &Operation) -> String {
    format!("{on:?}").to_lowercase()
}

fn fault_name(kind: &FaultKind) -> String {
    let text = format!("{kind:?}");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
