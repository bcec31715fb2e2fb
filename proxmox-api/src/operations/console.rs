//! `POST /management/console/{ctid}`: a ticket that opens the container's terminal once, on our own
//! WebSocket. The ticket contains nothing of Proxmox.

use api_types::{ConsoleResponse, ConsoleType, KeyScope, Price, Secret, Tariff, Timestamp};
use axum::http::Method;
use serde_json::json;

use super::{answer, call_price, lease_in_path};
use crate::{
    console::{page_url, socket_url, ticket},
    error::ApiError,
    ids::{LeaseId, PaymentId},
    lease::{container::locate, owner::access::active},
    openapi::{ABOUT_TERMINAL, Content, Documentation, Documented, examples},
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    paywall::body,
    proxmox::first_contact,
    state::App,
    store::{Change, ConsoleTicket, Lease, Payment, StoreError, StoredAnswer},
    timestamp::timestamp,
};

/// A console of a container.
#[derive(Debug)]
pub struct Console {
    lease: Lease,
}

impl Operation for Console {
    const NAME: &'static str = "console";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/management/console/{ctid}";
    const DESCRIPTION: &'static str = "A terminal of a leased container";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = false;
    const RETRY: RetryPolicy = RetryPolicy::ForPayer;
    const KEY_SCOPE: Option<KeyScope> = Some(KeyScope::Exec);

    async fn read(app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        body::none(call.body)?;
        Ok(Self {
            lease: lease_in_path(app, call).await?,
        })
    }

    fn default_price(tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    fn lease_id(&self) -> Option<LeaseId> {
        Some(self.lease.lease_id.clone())
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        let lease = active(app, &self.lease.lease_id, &job.payer).await?;
        let asked = async {
            let location = locate::find_for_sale(app, &lease).await?;
            let client = &app.proxmox.client;
            let container = client.container(&location.node, location.vmid).await;
            container.map_err(ApiError::from)
        };
        let container = first_contact(asked).await?;
        if container.is_running() {
            Ok(())
        } else {
            Err(pve::TerminalError::NotRunning.into())
        }
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        _paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        active(app, &self.lease.lease_id, &job.payer).await?;
        let for_whom = ConsoleTicket {
            lease_id: self.lease.lease_id.clone(),
            wallet: job.payer.clone(),
            key_id: job.key_id.clone(),
        };
        let token = app.installation.console_ticket(&job.payment_id);
        let (kept, expires_at) = ticket::keep_ticket(app, &token, for_whom);
        let data = json!({"paymentId": job.payment_id, "expiresAt": expires_at});
        let event = Change::event(&self.lease.lease_id, "console_ticket", data);
        let public = &app.config.public_base_url;
        // The ticket itself is added by `reveal`, so that it is not stored.
        let response = ConsoleResponse {
            ctid: self.lease.vmid.get(),
            console_url: Secret::new(page_url(public, "")),
            websocket_url: Secret::new(socket_url(public)),
            ticket: Secret::new(""),
            expires_at: timestamp(expires_at),
            kind: ConsoleType::Terminal,
        };
        Ok(Delivery {
            changes: vec![kept, event],
            ..answer(200, &response)?.into()
        })
    }

    fn reveal(app: &App, payment_id: &PaymentId, answer: StoredAnswer) -> StoredAnswer {
        let Ok(mut response) = serde_json::from_str::<ConsoleResponse>(&answer.body) else {
            return answer;
        };
        let token = app.installation.console_ticket(payment_id);
        response.console_url = Secret::new(page_url(&app.config.public_base_url, &token));
        response.ticket = Secret::new(token);
        super::answer(answer.status, &response).unwrap_or(answer)
    }

    async fn resume(_app: &App, _payment: &Payment) -> Result<Option<Self>, StoreError> {
        Ok(None)
    }
}

impl Documented for Console {
    fn documentation() -> Documentation {
        Documentation {
            id: "openConsole",
            tag: "Containers",
            details: "The ticket is good once, for 30 seconds. It goes in the first message on the \
                WebSocket, never in a URL.",
            request: None,
            answered: "A ticket for one terminal.",
            response: Content::json(&ConsoleResponse {
                ctid: 40200,
                console_url: Secret::new("https://lease.example.org/console#ticket"),
                websocket_url: Secret::new("wss://lease.example.org/console/ws"),
                ticket: Secret::new("shown-once"),
                expires_at: Timestamp(examples::NOW + 30),
                kind: ConsoleType::Terminal,
            }),
            held: None,
            refusals: ABOUT_TERMINAL,
        }
    }
}
