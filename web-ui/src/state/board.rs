//! The wallet's leases and how busy they are, kept up to date while somebody looks.

use std::{collections::BTreeMap, time::Duration};

use api_types::{ContainerStats, LeaseView, LxcStats, Timestamp};
use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{
    lease_clock::is_unseen, now::every, receipts::Payment, remote::Remote, samples::Samples,
};
use crate::{
    api::ApiError,
    engine::{Engine, clock},
    part::{NotLoaded, Part},
};

const LEASES_EVERY: Duration = Duration::from_secs(15);
const USAGE_EVERY: Duration = Duration::from_secs(10);

/// Reads the board, which nobody has who is not signed in.
static READ: Part<fn(Board)> = Part::new(|| Box::pin(read()));

#[wasm_split(pages, fallible)]
fn read() -> Result<fn(Board), NotLoaded> {
    Ok(Board::read)
}

/// What a signed-in wallet has.
#[derive(Clone, Copy)]
pub struct Board {
    engine: Engine,
    leases: Remote<Vec<LeaseView>>,
    payments: Remote<Vec<Payment>>,
    usage: Remote<LxcStats>,
    samples: RwSignal<BTreeMap<u32, Samples>>,
    /// When the container of each lease was last seen by this page.
    seen: RwSignal<BTreeMap<String, Timestamp>>,
}

impl Board {
    /// Follows the session for the whole application: another wallet, another board.
    pub fn provide(engine: Engine) {
        let board = Self {
            engine,
            leases: Remote::new(),
            payments: Remote::new(),
            usage: Remote::new(),
            samples: RwSignal::default(),
            seen: RwSignal::default(),
        };
        let token = engine.session.token();
        Effect::new(move |before: Option<Option<String>>| {
            let wallet = token.with(|token| token.as_ref().map(|token| token.expose().to_owned()));
            if before.as_ref() != Some(&wallet) {
                board.leases.clear();
                board.payments.clear();
                board.usage.clear();
                board.samples.update(BTreeMap::clear);
                board.refresh();
            }
            wallet
        });
        provide_context(board);
    }

    /// The application's board.
    pub fn get() -> Self {
        expect_context()
    }

    /// Keeps the leases fresh as long as the calling component lives.
    pub fn watch_leases(self) {
        self.refresh();
        every(LEASES_EVERY, move || self.refresh());
    }

    /// Keeps leases and usage fresh as long as the calling component lives.
    pub fn watch(self) {
        self.watch_leases();
        self.refresh_usage();
        every(USAGE_EVERY, move || self.refresh_usage());
        let usage = self.usage.value();
        Effect::new(move |before: Option<()>| {
            // What was there before has been taken by whoever watched then.
            if let Some(stats) = usage.get().filter(|_| before.is_some()) {
                self.sample(&stats);
            }
        });
    }

    fn sample(self, stats: &LxcStats) {
        self.samples.update(|samples| {
            samples.retain(|ctid, _| stats.containers.iter().any(|one| one.ctid == *ctid));
            for container in &stats.containers {
                samples
                    .entry(container.ctid)
                    .or_default()
                    .push(container.cpu);
            }
        });
    }

    /// Asks for leases and payments, where a wallet is signed in.
    pub fn refresh(self) {
        if !self.signed_in() {
            return;
        }
        READ.then(move |read| match read {
            Ok(read) => read(self),
            Err(NotLoaded) => self.leases.fail(ApiError::Unreachable),
        });
    }

    fn read(self) {
        let engine = self.engine;
        self.leases.ask(async move {
            let leases = engine.lease.leases().await?;
            self.saw(&leases);
            Ok(leases)
        });
        self.payments
            .ask(async move { engine.lease.payments().await });
    }

    fn saw(self, leases: &[LeaseView]) {
        let now = Timestamp(clock::now());
        let seen = leases.iter().filter(|lease| !is_unseen(lease));
        self.seen.update(|known| {
            known.extend(seen.map(|lease| (lease.lease_id.clone(), now)));
        });
    }

    /// When the container of a lease was last seen by this page.
    pub fn seen_at(self, lease: &str) -> Option<Timestamp> {
        self.seen.with(|seen| seen.get(lease).copied())
    }

    fn refresh_usage(self) {
        if !self.signed_in() {
            return;
        }
        let engine = self.engine;
        self.usage
            .ask(async move { engine.lease.lxc_stats().await });
    }

    /// Puts a lease in the place of what was known of it.
    pub fn put(self, lease: LeaseView) {
        self.leases.change(|leases| {
            let known = leases
                .iter_mut()
                .find(|known| known.lease_id == lease.lease_id);
            if let Some(known) = known {
                *known = lease;
            }
        });
    }

    fn signed_in(self) -> bool {
        self.engine.session.token().get_untracked().is_some()
    }

    /// The leases, the youngest first.
    pub fn leases(self) -> Signal<Option<Vec<LeaseView>>> {
        self.leases.value()
    }

    /// Why the leases are not known or not fresh.
    pub fn leases_error(self) -> Signal<Option<ApiError>> {
        self.leases.error()
    }

    /// Whether leases are being asked for.
    pub fn loading(self) -> Signal<bool> {
        self.leases.loading()
    }

    /// The payments, the youngest first.
    pub fn payments(self) -> Signal<Option<Vec<Payment>>> {
        self.payments.value()
    }

    /// Whether payments are being asked for.
    pub fn payments_loading(self) -> Signal<bool> {
        self.payments.loading()
    }

    /// Why the payments are not known or not fresh.
    pub fn payments_error(self) -> Signal<Option<ApiError>> {
        self.payments.error()
    }

    /// How busy a container is.
    pub fn usage_of(self, ctid: u32) -> Memo<Option<ContainerStats>> {
        let usage = self.usage.value();
        Memo::new(move |_| {
            usage.with(|stats| {
                let containers = &stats.as_ref()?.containers;
                containers.iter().find(|one| one.ctid == ctid).cloned()
            })
        })
    }

    /// The last shares of a container's processor, the oldest first.
    pub fn samples_of(self, ctid: u32) -> Memo<Samples> {
        Memo::new(move |_| {
            self.samples
                .with(|samples| samples.get(&ctid).cloned().unwrap_or_default())
        })
    }
}
