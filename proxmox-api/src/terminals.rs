//! Locks of containers' terminals that replicas share. The `TerminalLocks` of each process ask here
//! as well. There are two locks for each container: one is held by whatever uses the terminal, the
//! second one by a person's console alone. Each replica has a share of the commands that may run on
//! a node at a time.

use std::sync::Arc;

use pve::{ConsoleUse, NodeName, SharedGuard, SharedTerminals, Vmid};

use crate::{
    locks::Locks,
    proxmox::COMMANDS_PER_NODE,
    shares::{NodeSemaphores, Shares},
    store::AdvisoryLocks,
};

struct ReplicaTerminals {
    terminals: Locks,
    consoles: Locks,
    commands: NodeSemaphores,
}

/// The terminals of all replicas.
pub fn shared(advisory_locks: &AdvisoryLocks, shares: &Shares) -> Arc<dyn SharedTerminals> {
    Arc::new(ReplicaTerminals {
        terminals: Locks::shared(Some(advisory_locks), "terminals"),
        consoles: Locks::shared(Some(advisory_locks), "consoles"),
        commands: NodeSemaphores::new(shares.share_of(COMMANDS_PER_NODE)),
    })
}

#[async_trait::async_trait]
impl SharedTerminals for ReplicaTerminals {
    async fn try_take(&self, vmid: Vmid, purpose: ConsoleUse) -> Result<SharedGuard, ConsoleUse> {
        let name = vmid.to_string();
        // A database that cannot be reached counts as a command: something that is soon over.
        let failed = |error| {
            let vmid = vmid.get();
            tracing::warn!(%error, vmid, "the advisory lock of a terminal cannot be taken");
            ConsoleUse::Exec
        };
        let Some(terminal) = self.terminals.try_take(&name).await.map_err(failed)? else {
            let free = self.consoles.try_take(&name).await.map_err(failed)?;
            let by = if free.is_some() {
                ConsoleUse::Exec
            } else {
                ConsoleUse::Console
            };
            return Err(by);
        };
        // Another caller that was refused may hold this lock for a moment to learn the purpose.
        let console = match purpose {
            ConsoleUse::Console => Some(self.consoles.take(&name).await.map_err(failed)?),
            ConsoleUse::Exec => None,
        };
        Ok(SharedGuard::new((console, terminal)))
    }

    async fn command_permit(&self, node: &NodeName) -> SharedGuard {
        SharedGuard::new(self.commands.acquire(node).await)
    }
}
