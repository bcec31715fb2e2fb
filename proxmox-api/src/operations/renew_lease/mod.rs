//! `POST /lease/{ctid}/renew`: more time, priced by the container's real size. A stopped container
//! is started again.

mod documentation;
mod from_credit;

use std::{sync::atomic::AtomicBool, time::Duration};

use api_types::{
    ErrorCode, FieldError, KeyScope, LeaseRequest, PaymentReceipt, Price, RenewRequest,
    RenewResponse, Size, Tariff, price,
};
use axum::http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{answer, lease_in_path};
use crate::{
    error::ApiError,
    ids::{LeaseId, Minutes},
    lease::{
        container::{locate, start},
        ending::end_steps,
        network::traffic,
        owner::access::owned,
        view::status_alone,
    },
    memory::locations::ContainerLocation,
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy,
        SettledPayment, owed,
    },
    payment_machine::Funding,
    paywall::body,
    proxmox::first_contact,
    state::App,
    store::{Change, Lease, LeaseState, Payment, Renewal, RenewalOutcome, StoreError},
    timestamp::timestamp,
};

/// How long a stopped container may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Seconds for which the start of a renewed container is retried.
const TRY_TO_START: i64 = 3600;

/// More time for a lease.
#[derive(Debug)]
pub struct RenewLease {
    lease: Lease,
    minutes: Minutes,
    /// Whether time was added that was paid from credit, so that the rest is to be done.
    renewed: AtomicBool,
}

impl Operation for RenewLease {
    const NAME: &'static str = "renew_lease";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/lease/{ctid}/renew";
    const DESCRIPTION: &'static str = "More time for a leased container";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = true;
    const RETRY: RetryPolicy = RetryPolicy::Resumed;
    const KEY_SCOPE: Option<KeyScope> = Some(KeyScope::Renew);
    const NEEDS_BODY: bool = true;
    const BUYS_TIME: bool = true;

    async fn read(app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        let limits = &app.config.limits;
        let request: RenewRequest =
            body::read(call.body, |request| limits.validate_renew(request))?;
        Ok(Self {
            lease: lease_in_path(app, call).await?,
            minutes: Minutes(request.runtime_minutes),
            renewed: AtomicBool::default(),
        })
    }

    fn default_price(tariff: &Tariff) -> Result<Price, ApiError> {
        let lease = LeaseRequest::default();
        price_of(tariff, lease.size(), Minutes(lease.runtime_minutes))
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        let size = Size {
            cores: self.lease.cores,
            memory_mb: self.lease.memory_mb,
            disk_gb: self.lease.disk_gb,
        };
        price_of(tariff, size, self.minutes)
    }

    fn lease_id(&self) -> Option<LeaseId> {
        Some(self.lease.lease_id.clone())
    }

    fn arguments(&self) -> Value {
        json!({"minutes": self.minutes})
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        let lease = owned(app, &self.lease.lease_id, &job.payer).await?;
        if !lease.state.is_renewable() {
            let message = "The lease is not active yet; nothing was charged.";
            return Err(ApiError::new(ErrorCode::LeaseConflict, message).retry_after(5));
        }
        // Checked before the payment: a container that is gone cannot be renewed.
        first_contact(locate::find_for_sale(app, &lease)).await?;
        Ok(())
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        if paid.funding == Funding::Credit {
            return self.deliver_from_credit(app, job, paid).await;
        }
        // Waits for a stop that is under way; what is stopped is then started again.
        let _lock = app.leases_in_work.take(&self.lease.lease_id).await?;
        // What is owed back is not added: looked for before the time is, unless that was added by
        // an earlier try.
        let found = locate::find(app, &self.lease).await;
        let found = match found {
            Err(gone)
                if owed::is_final(&gone) && !app.store.has_renewed(&job.payment_id).await? =>
            {
                return Err(gone);
            }
            found => found,
        };
        let renewal = Renewal {
            lease_id: self.lease.lease_id.clone(),
            payment_id: job.payment_id.clone(),
            minutes: self.minutes,
            grace_seconds: app.config.grace_seconds.into(),
        };
        let (expires_at, state) = match app.store.renew(renewal, app.now()).await? {
            RenewalOutcome::Renewed {
                expires_at, state, ..
            } => (expires_at, state),
            RenewalOutcome::NotRenewable => {
                let message = "The lease ended before it could be renewed.";
                return Err(ApiError::new(ErrorCode::LeaseEnded, message));
            }
        };
        app.deadlines_moved.notify_one();
        end_steps::forget_failures(app, &self.lease.lease_id);
        // What was bought may undo what was done about its traffic. The comparison makes up for it.
        if let Err(error) = traffic::take_step_locked(app, &self.lease.lease_id).await {
            tracing::warn!(lease.id = self.lease.lease_id.as_str(), %error, "the traffic of a lease is checked later");
        }
        // Performed again after a crash, the time that was added then may be over, and the number
        // another lease's.
        let mut message = format!("{} has {} minutes more.", self.lease.hostname, self.minutes);
        let kept_off = traffic::keeps_off(app, &self.lease.lease_id).await?;
        if let Some(why) = kept_off {
            message = format!("{message} {why}");
        } else if state == LeaseState::Active
            && let Err(error) = self.make_sure_it_runs(app, found).await
        {
            // The time is the customer's either way, so it is never owed as well, however long the
            // container does not start.
            if app.now() - job.first_seen < TRY_TO_START {
                return Err(error);
            }
            message = format!("{message} Its container does not start.");
        }
        let data = json!({"minutes": self.minutes, "paymentId": job.payment_id, "transaction": paid.transaction});
        let event = Change::event(&self.lease.lease_id, "renewed", data);
        let response = self.response(job, paid, (expires_at, state), message);
        Ok(Delivery {
            changes: vec![event],
            ..answer(200, &response)?.into()
        })
    }

    async fn delivered(&self, app: &App) {
        from_credit::after(self, app).await;
    }

    async fn resume(app: &App, payment: &Payment) -> Result<Option<Self>, StoreError> {
        let lease = match &payment.lease_id {
            Some(id) => app.store.lease(id).await?,
            None => None,
        };
        let arguments: Value = serde_json::from_str(&payment.arguments).unwrap_or_default();
        let minutes = arguments["minutes"].as_u64().map(u32::try_from);
        Ok(match (lease, minutes) {
            (Some(lease), Some(Ok(minutes))) => Some(Self {
                lease,
                minutes: Minutes(minutes),
                renewed: AtomicBool::default(),
            }),
            _ => None,
        })
    }
}

fn price_of(tariff: &Tariff, size: Size, minutes: Minutes) -> Result<Price, ApiError> {
    price::price_renew(tariff, size, minutes.0).map_err(|_| {
        let field = FieldError::new("runtimeMinutes", "makes a price too large for any payment");
        ApiError::invalid(vec![field])
    })
}

impl RenewLease {
    /// The answer, once the lease ends at the end of `is` and is in its state.
    fn response(
        &self,
        job: &PaymentJob,
        paid: &SettledPayment,
        is: (i64, LeaseState),
        message: String,
    ) -> RenewResponse {
        RenewResponse {
            lease_id: self.lease.lease_id.to_string(),
            status: status_alone(is.1),
            ctid: self.lease.vmid.get(),
            expires_at: timestamp(is.0),
            message,
            price: job.price.clone(),
            payment: PaymentReceipt {
                transaction: paid.transaction.clone(),
                network: paid.network.clone(),
            },
        }
    }

    /// Asked of Proxmox and not of the store: the owner may have shut it down.
    async fn make_sure_it_runs(
        &self,
        app: &App,
        found: Result<ContainerLocation, ApiError>,
    ) -> Result<(), ApiError> {
        // Gone is not final here: the comparison ends the lease, and what was added is owed with
        // the rest of it.
        let location = found.map_err(|error| match error.code {
            ErrorCode::LeaseEnded => {
                let message = "The time was added, but the container is gone from the host.";
                ApiError::new(ErrorCode::HypervisorUnavailable, message).retry_after(300)
            }
            _ => error,
        })?;
        let client = &app.proxmox.client;
        // Its node may reboot while it starts.
        let asked = app.now();
        let status = client.container(&location.node, location.vmid).await?;
        if status.is_running() {
            return Ok(());
        }
        let deadline = Instant::now() + START_TIMEOUT;
        start::start(app, &location.node, location.vmid, deadline)
            .await
            .map_err(|error| {
                let message = "The time was added, but the container does not start.";
                ApiError {
                    message: message.into(),
                    ..error
                }
            })?;
        // Its owner may have switched it off before: from now on it is started after a reboot.
        let ids = vec![self.lease.lease_id.clone()];
        Ok(app.store.saw_running(ids, asked).await?)
    }
}
