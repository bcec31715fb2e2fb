//! `POST /lease/container`: a container for some minutes. It is created, started and probed before
//! the payment is settled, and removed if the payment is not settled. `lease::making` does the
//! work; `store` claims number and address; `lease::view` shows the result.

mod documentation;
mod order;
mod refusal;

use std::collections::HashSet;
use std::time::Duration;

use api_types::{
    ErrorCode, KeyScope, LeaseRequest, LeaseResponse, LeaseStatus, PaymentReceipt, Price, Secret,
    Tariff,
};
use axum::http::Method;
use pve::Vmid;
use serde_json::{Value, json};
use service::crypto;
use tokio::time::{Instant, timeout};

use order::price_of;

use super::answer;
use crate::{
    client::ClientAddress,
    error::ApiError,
    ids::{LeaseId, Minutes, PaymentId},
    lease::{
        container::{address, start},
        ending::{held, remove, unpaid},
        guest::connect,
        making::{
            create::{self, NewContainer},
            probe::probe,
        },
        network::fence,
        ssh,
    },
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    paywall::body,
    proxmox::first_contact,
    state::App,
    store::{
        Change, Claim, ClaimLimits, ClaimOutcome, Lease, LeaseState, Payment, StoreError,
        StoredAnswer,
    },
    timestamp::timestamp,
};

/// Seconds of a payment's window that are reserved for the settlement.
const SETTLE_RESERVE: i64 = 30;
/// How long a container may take to be made.
const MAKE_AT_MOST: i64 = 240;
/// How long a refused customer waits for the removal; the worker finishes it.
const UNDO_TIMEOUT: Duration = Duration::from_secs(15);

/// A requested lease, or one whose payment is resumed.
#[derive(Debug)]
pub struct LeaseContainer {
    lease_id: LeaseId,
    request: LeaseRequest,
    /// Whether root's password is made here.
    makes_password: bool,
    /// Whether it is resumed some time after its container was probed.
    resumed: bool,
}

impl Operation for LeaseContainer {
    const NAME: &'static str = "lease_container";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/lease/container";
    const DESCRIPTION: &'static str = "A Linux container for the time asked for";
    const FLOW: PaymentFlow = PaymentFlow::DeliverThenSettle;
    const PRICE_VARIES: bool = true;
    const RETRY: RetryPolicy = RetryPolicy::Resumed;
    const KEY_SCOPE: Option<KeyScope> = Some(KeyScope::Lease);
    const NEEDS_BODY: bool = true;
    const BUYS_TIME: bool = true;
    const MIN_SECONDS_LEFT: u64 = 60;

    async fn read(app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        let limits = &app.config.limits;
        let request: LeaseRequest =
            body::read(call.body, |request| limits.validate_lease(request))?;
        let lease = Self {
            lease_id: format!("lease-{}", crypto::random_hex(8)).into(),
            makes_password: request.password.is_none() && request.ssh_public_key.is_none(),
            resumed: false,
            request,
        };
        // A template that is not on offer is a wrong field; a Proxmox that cannot say so is no
        // fault of the request.
        if lease.request.template.is_some()
            && let Err(error) = first_contact(lease.template(app)).await
            && error.code == ErrorCode::InvalidRequest
        {
            return Err(error);
        }
        Ok(lease)
    }

    fn default_price(tariff: &Tariff) -> Result<Price, ApiError> {
        price_of(tariff, &LeaseRequest::default())
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        price_of(tariff, &self.request)
    }

    fn arguments(&self) -> Value {
        json!({"makesPassword": self.makes_password})
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        let request = &self.request;
        let asked = async {
            let template = self.template(app).await?;
            let node = app
                .proxmox
                .pick_node(request.size(), &template.volume, &[])
                .await?;
            fence::require(app, &node).await?;
            let resources = app.proxmox.client.resources().await?;
            Ok::<_, ApiError>((template, node, resources))
        };
        let (template, node, resources) = first_contact(asked).await?;
        let busy: HashSet<Vmid> = resources.iter().map(|found| found.vmid).collect();
        let claim = Claim {
            lease_id: self.lease_id.clone(),
            payment_id: job.payment_id.clone(),
            node,
            owner: job.payer.clone(),
            client: ClientAddress(job.client).network(),
            sku: request.sku.clone(),
            template: template.name,
            hostname: self.hostname(),
            cores: request.cores,
            memory_mb: request.memory_mb,
            disk_gb: request.disk_gb,
            minutes: Minutes(request.runtime_minutes),
            addresses: app.proxmox.config.address_pool(),
            vmids: app.proxmox.config.vmids.clone(),
            busy,
        };
        let limits = ClaimLimits {
            in_flight: app.config.leases_in_flight,
            per_wallet: app.config.limits.leases_per_wallet,
            reserved: app.config.payments.max_reserved,
            per_client: app.config.leases_in_flight_per_address,
            unpaid: app.config.max_unpaid_leases,
        };
        let data = json!({"cores": request.cores, "memoryMB": request.memory_mb, "diskGB": request.disk_gb,
            "minutes": request.runtime_minutes, "requester": request.requester, "paymentId": job.payment_id});
        let event = Change::event(&self.lease_id, "claimed", data);
        let claimed =
            app.store
                .claim_lease(claim, limits, job.claim()?, vec![event.clone()], app.now());
        match claimed.await? {
            ClaimOutcome::Claimed { .. } => {
                event.log();
                Ok(())
            }
            refused => Err(refusal::not_claimed(refused, app.now())),
        }
    }

    async fn prepare(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        let _lock = app.leases_in_work.take(&self.lease_id).await?;
        let left = (job.valid_before - SETTLE_RESERVE - app.now()).clamp(0, MAKE_AT_MOST);
        let deadline = Instant::now() + Duration::from_secs(left.unsigned_abs());
        let lease = self.lease(app).await?;
        let mut order = NewContainer {
            vmid: lease.vmid,
            node: lease.node.clone(),
            hostname: lease.hostname.clone(),
            lease,
            size: self.request.size(),
            template: self.template(app).await?.volume,
            password_hash: self.password_hash(app).await?,
            ssh_public_key: self.request.ssh_public_key.clone(),
        };
        create::create(app, &mut order, deadline, &job.progress).await?;
        job.progress.step("starting");
        start::start(app, &order.node, order.vmid, deadline).await?;
        job.progress.step("probing");
        let ip = probe(app, &order.node, order.vmid, deadline).await?;
        // Its own address is known. What a container says of itself is for those of a DHCP server.
        if let Some(ip) = ip.filter(|_| order.lease.address.is_none()) {
            app.store
                .set_ip(&self.lease_id, &ip.to_string(), app.now())
                .await?;
        }
        connect::try_after_start(app, &self.lease(app).await?);
        create::step(app, &self.lease_id, LeaseState::Created, LeaseState::Probed).await
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        let guard = app.leases_in_work.take(&self.lease_id).await?;
        let lease = self.lease(app).await?;
        if matches!(lease.state, LeaseState::Undoing | LeaseState::Destroyed) {
            let message = "The container that was held for this payment is gone.";
            return Err(ApiError::new(ErrorCode::LeaseEnded, message));
        }
        held::ensure_running(app, &lease, self.resumed).await?;
        // Read again: a container that was started may have another address.
        let lease = self.lease(app).await?;
        let now = app.now();
        let begins = lease.network_ready_at.unwrap_or(now).max(now);
        let response = LeaseResponse {
            lease_id: lease.lease_id.to_string(),
            status: LeaseStatus::Active,
            ctid: lease.vmid.get(),
            expires_at: timestamp(begins + lease.minutes.seconds()),
            message: format!(
                "{} is running for {} minutes.",
                lease.hostname, lease.minutes
            ),
            owner_wallet: lease.owner.checksummed(),
            hostname: lease.hostname.clone(),
            node: lease.node.to_string(),
            ip: lease.ip.clone(),
            network_ready_at: lease.network_ready_at.filter(|at| *at > now).map(timestamp),
            // It is added by `reveal`, so that it is not stored.
            password: self.makes_password.then(|| Secret::new("")),
            price: job.price.clone(),
            payment: PaymentReceipt {
                transaction: paid.transaction.clone(),
                network: paid.network.clone(),
            },
            ssh: ssh::in_view(app, &lease).await,
        };
        let activation = Change::ActivateLease {
            lease_id: self.lease_id.clone(),
            ip: lease.ip.clone(),
            grace_seconds: app.config.grace_seconds.into(),
        };
        let data = json!({"paymentId": job.payment_id, "transaction": paid.transaction});
        let event = Change::event(&self.lease_id, "activated", data);
        Ok(Delivery {
            answer: answer(200, &response)?,
            changes: vec![activation, event],
            lock: Some(guard),
        })
    }

    async fn delivered(&self, app: &App) {
        app.deadlines_moved.notify_one();
        if let Some(key) = &self.request.ssh_public_key {
            ssh::keys::remember_first(app, &self.lease_id, key).await;
        }
        if app.proxmox.config.bridge.is_none() {
            return;
        }
        match app.store.lease(&self.lease_id).await {
            Ok(Some(lease)) if lease.ip.is_none() => {
                address::store_late_address(app.clone(), lease)
            }
            Ok(_) => {}
            Err(error) => {
                let id = self.lease_id.as_str();
                tracing::error!(%error, lease.id = id, "the lease could not be read, so its container's address is not looked up")
            }
        }
    }

    fn reveal(app: &App, _payment_id: &PaymentId, stored: StoredAnswer) -> StoredAnswer {
        let Ok(mut response) = serde_json::from_str::<LeaseResponse>(&stored.body) else {
            return stored;
        };
        if response.password.is_none() {
            return stored;
        }
        let lease_id = response.lease_id.as_str().into();
        response.password = Some(Secret::new(app.installation.password(&lease_id)));
        answer(stored.status, &response).unwrap_or(stored)
    }

    async fn hold(app: &App, payment_id: &PaymentId) -> Option<StoredAnswer> {
        let row = app.store.payment(payment_id).await.ok().flatten()?;
        let lease_id = row.lease_id?;
        app.deadlines_moved.notify_one();
        let lease = app.store.lease(&lease_id).await.ok().flatten()?;
        let body = json!({
            "leaseId": lease_id, "status": LeaseStatus::Reconciling, "ctid": lease.vmid, "hostname": lease.hostname,
            "paymentId": payment_id, "statusUrl": format!("/leases/{lease_id}"),
            "message": "It is not known yet whether the payment moved money. The container is held, and stopped after two minutes; do not sign another payment.",
        });
        answer(202, &body).ok()
    }

    async fn undo(&self, app: &App) {
        #[cfg(feature = "chaos")]
        if crate::chaos::skips_undo(&app.store, &self.lease_id).await {
            return;
        }
        let removal = async {
            let Ok(_lock) = app.leases_in_work.take(&self.lease_id).await else {
                return;
            };
            let Ok(Some(lease)) = app.store.lease(&self.lease_id).await else {
                return;
            };
            let undoing = LeaseState::Undoing;
            if !lease.state.is_in_flight() {
                return;
            }
            let moved = app
                .store
                .move_lease(&self.lease_id, lease.state, undoing, app.now())
                .await;
            if !matches!(moved, Ok(true)) {
                tracing::error!(
                    lease.id = self.lease_id.as_str(),
                    "the lease cannot be undone"
                );
                return;
            }
            unpaid::count_if_refused(app, &lease).await;
            let lease = Lease {
                state: undoing,
                ..lease
            };
            if let Err(error) = remove::remove(app, &lease).await {
                tracing::warn!(lease.id = self.lease_id.as_str(), %error, "the container cannot be removed yet");
            }
        };
        if timeout(UNDO_TIMEOUT, removal).await.is_err() {
            tracing::warn!(
                lease.id = self.lease_id.as_str(),
                "the removal of a container takes long; the worker goes on with it"
            );
        }
        app.deadlines_moved.notify_one();
    }

    async fn resume(app: &App, payment: &Payment) -> Result<Option<Self>, StoreError> {
        let Some(lease_id) = payment.lease_id.clone() else {
            return Ok(None);
        };
        // Without a row nothing was begun.
        if app.store.lease(&lease_id).await?.is_none() {
            return Ok(None);
        }
        let arguments: Value = serde_json::from_str(&payment.arguments).unwrap_or_default();
        Ok(Some(Self {
            lease_id,
            request: LeaseRequest::default(),
            makes_password: arguments["makesPassword"] == true,
            resumed: true,
        }))
    }
}

impl LeaseContainer {
    /// The operation behind a lease whose payment is over, to be undone.
    pub(super) fn abandoned(lease: &Lease) -> Self {
        Self {
            lease_id: lease.lease_id.clone(),
            request: LeaseRequest::default(),
            makes_password: false,
            resumed: true,
        }
    }

    async fn lease(&self, app: &App) -> Result<Lease, ApiError> {
        app.store
            .lease(&self.lease_id)
            .await?
            .ok_or_else(|| ApiError::new(ErrorCode::LeaseNotFound, "There is no such lease."))
    }
}
