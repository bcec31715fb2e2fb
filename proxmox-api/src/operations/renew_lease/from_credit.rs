//! A renewal from credit: the time is added in the commit that takes the credit and stores the
//! answer. What is left to do with the container comes after that, since the time is the
//! customer's either way.

use std::sync::atomic::Ordering;

use api_types::ErrorCode;
use serde_json::json;

use super::{super::answer, RenewLease};
use crate::{
    error::ApiError,
    lease::{container::locate, ending::end_steps, network::traffic},
    payment::{Delivery, PaymentJob, SettledPayment},
    state::App,
    store::{Change, LeaseState, Renewal, end_after},
};

impl RenewLease {
    /// The answer with the renewal, which is refused if the lease has changed until it is stored.
    pub(super) async fn deliver_from_credit(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        // Waits for a stop that is under way.
        let lock = app.leases_in_work.take(&self.lease.lease_id).await?;
        let lease = app.store.lease(&self.lease.lease_id).await?;
        let lease = lease.filter(|lease| lease.state.is_renewable());
        let Some((lease, old_end)) =
            lease.and_then(|lease| lease.expires_at.map(|end| (lease, end)))
        else {
            let message = "The lease ended before it could be renewed; nothing was charged.";
            return Err(ApiError::new(ErrorCode::LeaseEnded, message));
        };
        locate::find(app, &lease).await?;
        let now = app.now();
        let expires_at = end_after(old_end, self.minutes, now);
        let mut message = format!("{} has {} minutes more.", lease.hostname, self.minutes);
        if let Some(why) = traffic::keeps_off(app, &lease.lease_id).await? {
            message = format!("{message} {why}");
        }
        let data = json!({"minutes": self.minutes, "paymentId": job.payment_id, "transaction": ""});
        let renewal = Renewal {
            lease_id: lease.lease_id.clone(),
            payment_id: job.payment_id.clone(),
            minutes: self.minutes,
            grace_seconds: app.config.grace_seconds.into(),
        };
        self.renewed.store(true, Ordering::Relaxed);
        let response = self.response(job, paid, (expires_at, LeaseState::Active), message);
        Ok(Delivery {
            answer: answer(200, &response)?,
            changes: vec![
                Change::Renew {
                    renewal,
                    renewed_at: now,
                },
                Change::event(&lease.lease_id, "renewed", data),
            ],
            lock: Some(lock),
        })
    }
}

/// What a renewal changes besides the time. The time is paid, so that a failure is logged only; a
/// container that does not start can be started by its owner.
pub(super) async fn after(renewal: &RenewLease, app: &App) {
    if !renewal.renewed.load(Ordering::Relaxed) {
        return;
    }
    app.deadlines_moved.notify_one();
    let id = &renewal.lease.lease_id;
    end_steps::forget_failures(app, id);
    if let Err(error) = run(renewal, app).await {
        tracing::warn!(lease.id = id.as_str(), code = %error.code, "the container of a renewed lease was not started");
    }
}

async fn run(renewal: &RenewLease, app: &App) -> Result<(), ApiError> {
    let id = &renewal.lease.lease_id;
    let _lock = app.leases_in_work.take(id).await?;
    traffic::take_step_locked(app, id).await?;
    let lease = app.store.lease(id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Active) else {
        return Ok(());
    };
    if traffic::keeps_off(app, id).await?.is_some() {
        return Ok(());
    }
    let found = locate::find(app, &lease).await;
    renewal.make_sure_it_runs(app, found).await
}
