//! The ports of containers that are published, and the tickets by which owners open them once,
//! stored as a hash only.

use std::collections::HashMap;

use api_types::PortAccess;

use super::{
    Store, StoreError,
    change_lock::ChangeLock,
    leases::{COLUMNS, Lease, read_lease},
    sql::{Row, owned_values},
    values,
};
use crate::ids::{LeaseId, Wallet};

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port in the container.
    pub port: u16,
    /// Who may open it.
    pub access: PortAccess,
    /// What links and cookies are signed over; a change of the access makes another one.
    pub epoch: String,
}

/// A published port with its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PublishedPort {
    pub lease: Lease,
    pub port: Port,
}

/// The published ports of a lease, and the name of its container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NamedPorts {
    pub name: String,
    pub ports: Vec<Port>,
}

/// The result of [`Store::publish_port`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It is published; whether it was not, or for others.
    Published {
        /// The port as it is now.
        port: Port,
        /// Whether that is new.
        changed: bool,
    },
    /// The lease has as many published ports as it may have.
    TooMany,
}

fn read_port(row: &Row<'_>) -> Result<Port, StoreError> {
    Ok(Port {
        port: row.get("port")?,
        access: row.get("access")?,
        epoch: row.get("epoch")?,
    })
}

impl Store {
    /// Publishes a port of a lease, or changes who may open it. `fresh` becomes its epoch if that
    /// is a change.
    ///
    /// # Errors
    /// The lease does not exist, or the database failed.
    pub async fn publish_port(
        &self,
        id: &LeaseId,
        port: u16,
        access: PortAccess,
        fresh: &str,
        most: usize,
        now: i64,
    ) -> Result<PublishOutcome, StoreError> {
        let (id, fresh) = (id.clone(), fresh.to_owned());
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql =
                "SELECT port, access, epoch FROM ports WHERE lease_id = ?1 ORDER BY port";
            let before: Vec<Port> = db.all(sql, values![id], read_port)?;
            let known = before.iter().find(|known| known.port == port);
            if let Some(known) = known.filter(|known| known.access == access) {
                return Ok(PublishOutcome::Published {
                    port: known.clone(),
                    changed: false,
                });
            }
            if known.is_none() && before.len() >= most {
                return Ok(PublishOutcome::TooMany);
            }
            db.execute(
                "INSERT INTO ports (lease_id, port, access, epoch, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (lease_id, port) DO UPDATE SET
                     access = excluded.access, epoch = excluded.epoch, updated_at = excluded.updated_at",
                values![id, port, access, fresh, now],
            )?;
            let epoch = fresh.clone();
            Ok(PublishOutcome::Published {
                port: Port { port, access, epoch },
                changed: true,
            })
        })
        .await
    }

    /// Closes a published port; false if it was not published.
    ///
    /// # Errors
    /// The database failed.
    pub async fn close_port(&self, id: &LeaseId, port: u16) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = "DELETE FROM ports WHERE lease_id = ?1 AND port = ?2";
            Ok(db.execute(sql, values![id, port])? == 1)
        })
        .await
    }

    /// The published ports of a lease, by number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ports(&self, id: &LeaseId) -> Result<Vec<Port>, StoreError> {
        let sql = "SELECT port, access, epoch FROM ports WHERE lease_id = ?1 ORDER BY port";
        self.query(sql, owned_values![id], read_port).await
    }

    /// The published ports of a wallet's leases that are not over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ports_of_wallet(
        &self,
        owner: &Wallet,
    ) -> Result<HashMap<LeaseId, NamedPorts>, StoreError> {
        let sql = "SELECT ports.lease_id, name, port, access, epoch FROM leases
             JOIN ports ON ports.lease_id = leases.lease_id
             JOIN guest_names ON guest_names.lease_id = leases.lease_id
             WHERE owner = ?1 AND state <> 'destroyed' ORDER BY port";
        let read = |row: &Row<'_>| {
            let id: LeaseId = row.get("lease_id")?;
            Ok((id, row.get("name")?, read_port(row)?))
        };
        let mut all = HashMap::new();
        for (id, name, port) in self.query(sql, owned_values![owner], read).await? {
            let ports = Vec::new();
            let named = all.entry(id).or_insert(NamedPorts { name, ports });
            named.ports.push(port);
        }
        Ok(all)
    }

    /// The published port behind a name that is up, unless the container is gone; the lowest one
    /// where none is asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn published_port(
        &self,
        name: &str,
        port: Option<u16>,
    ) -> Result<Option<PublishedPort>, StoreError> {
        let (wanted, values) = match port {
            Some(port) => ("AND port = ?2", owned_values![name, port]),
            None => ("ORDER BY port LIMIT 1", owned_values![name]),
        };
        let of_port = |column: &str| {
            format!("(SELECT {column} FROM ports WHERE ports.lease_id = leases.lease_id {wanted})")
        };
        let sql = format!(
            "SELECT {COLUMNS}, {} AS port, {} AS access, {} AS epoch FROM leases WHERE state <> 'destroyed'
                 AND lease_id = (SELECT lease_id FROM guest_names WHERE name = ?1 AND taken_down_at IS NULL)",
            of_port("port"),
            of_port("access"),
            of_port("epoch"),
        );
        let read = |row: &Row<'_>| {
            let port: Option<u16> = row.get("port")?;
            let access: Option<PortAccess> = row.get("access")?;
            let epoch: Option<String> = row.get("epoch")?;
            Ok((read_lease(row)?, port.zip(access.zip(epoch))))
        };
        let found = self.query(sql, values, read).await?;
        let found = found.into_iter().next();
        Ok(found.and_then(|(lease, published)| {
            let (port, (access, epoch)) = published?;
            let port = Port {
                port,
                access,
                epoch,
            };
            Some(PublishedPort { lease, port })
        }))
    }

    /// Stores a ticket that opens a port once, until `expires_at`.
    ///
    /// # Errors
    /// The hash exists already, or the database failed.
    pub async fn keep_port_ticket(
        &self,
        hash: &str,
        id: &LeaseId,
        port: u16,
        expires_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let (hash, id) = (hash.to_owned(), id.clone());
        self.write(ChangeLock::None, move |db| {
            db.execute(
                "DELETE FROM port_tickets WHERE expires_at <= ?1",
                values![now],
            )?;
            db.execute(
                "INSERT INTO port_tickets (ticket_hash, lease_id, port, expires_at) VALUES (?1, ?2, ?3, ?4)",
                values![hash, id, port, expires_at],
            )?;
            Ok(())
        })
        .await
    }

    /// Uses a ticket for this port up. True for exactly one caller, and only before it expires.
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_port_ticket(
        &self,
        hash: &str,
        id: &LeaseId,
        port: u16,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (hash, id) = (hash.to_owned(), id.clone());
        self.write(ChangeLock::None, move |db| {
            let used = db.execute(
                "DELETE FROM port_tickets
                 WHERE ticket_hash = ?1 AND lease_id = ?2 AND port = ?3 AND expires_at > ?4",
                values![hash, id, port, now],
            )?;
            Ok(used == 1)
        })
        .await
    }
}
