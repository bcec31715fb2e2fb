//! The cluster's list of all guests, for finding containers. With thousands of guests it is the
//! largest answer of all, so concurrent callers share one request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pve::{GuestResource, NodeName, Vmid};

use super::Proxmox;

/// How long a list is good enough to say where to look first.
const RECENT: Duration = Duration::from_secs(60);

/// A list or the error, and when it was requested.
pub(super) struct GuestsAnswer {
    at: Instant,
    answer: Result<Arc<Vec<GuestResource>>, pve::Error>,
}

/// Where a list shows a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedPosition {
    /// On this node.
    On(NodeName),
    /// Not at all.
    Nowhere,
    /// There is no list.
    Unknown,
}

impl Proxmox {
    /// All guests that we may audit, by a list that was asked for no sooner than this call: an
    /// older one may not show where a container has moved.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn guests(&self) -> Result<Arc<Vec<GuestResource>>, pve::Error> {
        let called = Instant::now();
        // Callers that wait here share the first one's answer, a failure too.
        let mut kept = self.guests.lock().await;
        if let Some(asked) = &*kept
            && asked.at >= called
        {
            return asked.answer.clone();
        }
        let at = Instant::now();
        let answer = self.client.resources().await.map(Arc::new);
        *kept = Some(GuestsAnswer {
            at,
            answer: answer.clone(),
        });
        answer
    }

    /// Where a list of the last minute shows a number. It may be older than the guest's creation,
    /// restore or move.
    pub async fn recently_listed(&self, vmid: Vmid) -> ListedPosition {
        let kept = self.guests.lock().await;
        let recent = kept.as_ref().filter(|asked| asked.at.elapsed() < RECENT);
        let Some(Ok(guests)) = recent.map(|asked| &asked.answer) else {
            return ListedPosition::Unknown;
        };
        match guests.iter().find(|guest| guest.vmid == vmid) {
            Some(guest) => ListedPosition::On(guest.node.clone()),
            None => ListedPosition::Nowhere,
        }
    }
}
