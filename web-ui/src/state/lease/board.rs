//! The wallet's leases, payments and usage, kept up to date while they are shown.

use std::{collections::BTreeMap, time::Duration};

use api_types::{ContainerStats, LeaseView, LxcStats, Timestamp};
use leptos::prelude::*;

use super::{clock::is_unreachable, samples::UsageSamples};
use crate::{
    api::ListedPayment,
    browser,
    engine::Engine,
    http::RequestError,
    lazy::{LazyChunk, LazyTable, NotLoaded},
    state::{now::every, remote::Remote},
};

const LEASES_INTERVAL: Duration = Duration::from_secs(15);
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// Requests leases and payments. Only signed-in wallets need it.
pub(crate) static BOARD_REFRESH: LazyTable<fn(Board)> = LazyTable::new(LazyChunk::Pages);

/// The leases and payments of a signed-in wallet.
#[derive(Clone, Copy)]
pub struct Board {
    engine: Engine,
    leases: Remote<Vec<LeaseView>>,
    payments: Remote<Vec<ListedPayment>>,
    usage: Remote<LxcStats>,
    samples: RwSignal<BTreeMap<u32, UsageSamples>>,
    /// When this page last saw the container of each lease.
    last_seen: RwSignal<BTreeMap<String, Timestamp>>,
}

impl Board {
    /// Provides the board for the whole application. Another signed-in wallet gets another board.
    pub fn provide(engine: Engine) {
        let board = Self {
            engine,
            leases: Remote::new(),
            payments: Remote::new(),
            usage: Remote::new(),
            samples: RwSignal::default(),
            last_seen: RwSignal::default(),
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

    /// Keeps the leases up to date as long as the calling component lives.
    pub fn watch_leases(self) {
        self.refresh();
        every(LEASES_INTERVAL, move || self.refresh());
    }

    /// Keeps leases and usage up to date as long as the calling component lives.
    pub fn watch(self) {
        self.watch_leases();
        self.refresh_usage();
        every(USAGE_INTERVAL, move || self.refresh_usage());
        let usage = self.usage.value();
        Effect::new(move |before: Option<()>| {
            // The first value was already sampled by an earlier component.
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

    /// Requests leases and payments, if a wallet is signed in.
    pub fn refresh(self) {
        if !self.signed_in() {
            return;
        }
        BOARD_REFRESH.then(move |request| match request {
            Ok(request) => request(self),
            Err(NotLoaded) => self.leases.fail(RequestError::Unreachable),
        });
    }

    pub(crate) fn request(self) {
        let engine = self.engine;
        self.leases.request(async move {
            let leases = engine.lease.leases().await?;
            self.record_seen(&leases);
            Ok(leases)
        });
        self.payments
            .request(async move { engine.lease.payments().await });
    }

    fn record_seen(self, leases: &[LeaseView]) {
        let now = Timestamp(browser::clock::now());
        let seen = leases.iter().filter(|lease| !is_unreachable(lease));
        self.last_seen.update(|known| {
            known.extend(seen.map(|lease| (lease.lease_id.clone(), now)));
        });
    }

    /// When this page last saw the container of a lease.
    pub fn seen_at(self, lease: &str) -> Option<Timestamp> {
        self.last_seen.with(|seen| seen.get(lease).copied())
    }

    fn refresh_usage(self) {
        if !self.signed_in() {
            return;
        }
        let engine = self.engine;
        self.usage
            .request(async move { engine.lease.lxc_stats().await });
    }

    /// Replaces a lease by a newer version of it.
    pub fn replace(self, lease: LeaseView) {
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

    /// The leases, the newest first.
    pub fn leases(self) -> Signal<Option<Vec<LeaseView>>> {
        self.leases.value()
    }

    /// Why the leases could not be read or updated.
    pub fn leases_error(self) -> Signal<Option<RequestError>> {
        self.leases.error()
    }

    /// Whether the leases are being requested.
    pub fn loading(self) -> Signal<bool> {
        self.leases.loading()
    }

    /// The payments, the newest first.
    pub fn payments(self) -> Signal<Option<Vec<ListedPayment>>> {
        self.payments.value()
    }

    /// Whether the payments are being requested.
    pub fn payments_loading(self) -> Signal<bool> {
        self.payments.loading()
    }

    /// Why the payments could not be read or updated.
    pub fn payments_error(self) -> Signal<Option<RequestError>> {
        self.payments.error()
    }

    /// The usage of a container.
    pub fn usage_of(self, ctid: u32) -> Memo<Option<ContainerStats>> {
        let usage = self.usage.value();
        Memo::new(move |_| {
            usage.with(|stats| {
                let containers = &stats.as_ref()?.containers;
                containers.iter().find(|one| one.ctid == ctid).cloned()
            })
        })
    }

    /// The last samples of a container's processor use.
    pub fn samples_of(self, ctid: u32) -> Memo<UsageSamples> {
        Memo::new(move |_| {
            self.samples
                .with(|samples| samples.get(&ctid).cloned().unwrap_or_default())
        })
    }
}
