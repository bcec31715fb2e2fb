//! Rate limits that hold for all replicas together: once a second each sends the others its counts
//! of the clients with the most requests, so that a client that calls several replicas has each
//! limit once. Nothing is sent while nothing was counted, or while there is one replica.

use std::{net::IpAddr, time::Duration};

use service::caller::RateLimit;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval},
};

use crate::{state::App, store::AdvisoryLocks};

const SEND_INTERVAL: Duration = Duration::from_secs(1);
/// How a message with counts begins.
const PREFIX: &str = "calls ";
/// Clients in one message, which has to stay below 8000 bytes. A client with fewer requests than
/// this many others in one second is far from any limit; its count is sent once it has added up.
const MAX_CLIENTS: usize = 160;

/// Sends and receives counts until the process ends.
pub async fn run(app: App, advisory_locks: AdvisoryLocks) {
    let messages = advisory_locks.notifications();
    tokio::join!(send(&app, &advisory_locks), receive(&app, messages));
}

/// The limits that hold for all replicas together, and their names in a message.
fn limits(app: &App) -> [(&'static str, &RateLimit); 4] {
    let [proofs, all_proofs] = app.proofs.rates();
    [
        ("free", &app.free_calls),
        ("failed", app.failed_payments.rate()),
        ("proofs", proofs),
        ("all-proofs", all_proofs),
    ]
}

async fn send(app: &App, advisory_locks: &AdvisoryLocks) {
    let replicas = advisory_locks.replicas();
    let mut next = interval(SEND_INTERVAL);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        let is_alone = replicas.borrow().number == 1;
        for (name, limit) in limits(app) {
            if is_alone {
                limit.forget_unsent();
            } else if advisory_locks.can_notify()
                && let counted = limit.take_unsent(MAX_CLIENTS)
                && !counted.is_empty()
            {
                advisory_locks.notify(&message(name, &counted)).await;
            }
        }
    }
}

async fn receive(app: &App, mut messages: Receiver<String>) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                if let Some((name, counted)) = read(&message)
                    && let Some((_, limit)) = limits(app).iter().find(|(known, _)| *known == name)
                {
                    for (client, calls) in counted {
                        limit.count_elsewhere(client, calls);
                    }
                }
            }
            // Some requests are counted by one replica only.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn message(name: &str, counted: &[(IpAddr, u32)]) -> String {
    let counted = counted.iter();
    let counted: Vec<_> = counted
        .map(|(client, calls)| format!("{client}={calls}"))
        .collect();
    format!("{PREFIX}{name} {}", counted.join(" "))
}

/// The name of a limit, and its counts. Entries that cannot be read are left out.
fn read(message: &str) -> Option<(&str, impl Iterator<Item = (IpAddr, u32)>)> {
    let (name, counted) = message.strip_prefix(PREFIX)?.split_once(' ')?;
    let counted = counted.split(' ').filter_map(|one| {
        let (client, calls) = one.split_once('=')?;
        Some((client.parse().ok()?, calls.parse().ok()?))
    });
    Some((name, counted))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn a_full_message_is_read_back_and_fits_into_one_notification() {
        let network = |last: u16| Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xf000 + last, 0, 0, 0, 0);
        let mut counted: Vec<_> = (0..160)
            .map(|last| (network(last).into(), u32::MAX))
            .collect();
        counted[0] = (IpAddr::from([10, 0, 0, 1]), 1);
        assert_eq!(counted.len(), MAX_CLIENTS);
        let message = message("all-proofs", &counted);
        // A payload is shorter than 8000 bytes, with the name of the replica before it.
        assert!(message.len() < 7_900, "{}", message.len());
        let (name, read) = read(&message).unwrap();
        assert_eq!((name, read.collect::<Vec<_>>()), ("all-proofs", counted));
    }

    #[test]
    fn other_messages_and_unreadable_entries_are_ignored() {
        assert!(read("console lease-1").is_none());
        let (name, counted) = read("calls free 10.0.0.1=2 nonsense 10.0.0.2=x 10.0.0.3=4").unwrap();
        let counted: Vec<_> = counted
            .map(|(client, calls)| (client.to_string(), calls))
            .collect();
        assert_eq!(name, "free");
        assert_eq!(
            counted,
            [("10.0.0.1".to_owned(), 2), ("10.0.0.3".to_owned(), 4)]
        );
    }
}
