//! Who uses a container's terminal, among all replicas: the registry of each process asks here as well. Two locks per
//! container: one is the terminal's, the other says that a person has it. Of the commands that may run on a node at a time each
//! replica has a share.

use std::sync::Arc;

use pve::{ConsoleUse, NodeName, SharedTerminals, TerminalGuard, Vmid};

use crate::{
    locks::Locks,
    proxmox::COMMANDS_PER_NODE,
    shares::{NodeSemaphores, Shares},
    store::SharedTurns,
};

struct Terminals {
    terminals: Locks,
    persons: Locks,
    commands: NodeSemaphores,
}

/// The terminals of all replicas.
pub fn among(turns: &SharedTurns, shares: &Shares) -> Arc<dyn SharedTerminals> {
    Arc::new(Terminals {
        terminals: Locks::among(Some(turns), "terminals"),
        persons: Locks::among(Some(turns), "consoles"),
        commands: NodeSemaphores::new(shares.of(COMMANDS_PER_NODE)),
    })
}

#[async_trait::async_trait]
impl SharedTerminals for Terminals {
    async fn try_take(&self, vmid: Vmid, purpose: ConsoleUse) -> Result<TerminalGuard, ConsoleUse> {
        let name = vmid.to_string();
        // A database that cannot be reached counts as a command: something that is soon over.
        let failed = |error| {
            tracing::warn!(%error, "a terminal cannot be taken");
            ConsoleUse::Exec
        };
        let Some(terminal) = self.terminals.try_take(&name).await.map_err(failed)? else {
            let free = self.persons.try_take(&name).await.map_err(failed)?;
            let by = if free.is_some() {
                ConsoleUse::Exec
            } else {
                ConsoleUse::Console
            };
            return Err(by);
        };
        // Somebody who was refused may be looking at it just now.
        let person = match purpose {
            ConsoleUse::Console => Some(self.persons.take(&name).await.map_err(failed)?),
            ConsoleUse::Exec => None,
        };
        Ok(TerminalGuard::new((person, terminal)))
    }

    async fn command_permit(&self, node: &NodeName) -> TerminalGuard {
        TerminalGuard::new(self.commands.acquire(node).await)
    }
}
