//! The reply to a payment, as an HTTP response with its receipt or as the last event of a stream.

use std::convert::Infallible;

use api_types::{CreditShortfall, Usdc};
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use serde_json::{Value, json};
use service::request_id::RequestId;
use tokio::sync::oneshot;
use x402::{offer::Offer, payment::Version, reason::Reason, wire::receipt::Receipt};

use super::challenge;
use crate::{error::ApiError, progress::ProgressEvents, store::StoredAnswer};

/// What a call from credit has cost, and what is left, in atomic units.
const CREDIT_CHARGED: HeaderName = HeaderName::from_static("credit-charged");
const CREDIT_AVAILABLE: HeaderName = HeaderName::from_static("credit-available");

/// The reply to a payment.
#[derive(Debug)]
pub enum PaymentReply {
    /// Paid and done, now or earlier.
    Done {
        /// The stored answer.
        answer: StoredAnswer,
        /// How it was paid.
        receipt: Receipt,
    },
    /// Paid from credit and done, now or earlier.
    FromCredit {
        /// The stored answer.
        answer: StoredAnswer,
        /// What it has cost, in atomic units.
        charged: u64,
        /// What the wallet can spend besides.
        available: u64,
    },
    /// There is too little credit; nothing was charged.
    NoCredit(Box<CreditShortfall>),
    /// It is not known yet whether the money moved; an answer with what there is to show.
    Held(StoredAnswer),
    /// The payment cannot be taken; nothing was charged.
    NotTaken(Reason),
    /// Settlement was refused; nothing was charged.
    NotSettled(Receipt),
    /// The request failed. With a receipt it is paid, and the request can be repeated.
    Failed {
        /// What the customer is told.
        error: ApiError,
        /// How it was paid, if it was.
        receipt: Option<Receipt>,
    },
}

impl From<ApiError> for PaymentReply {
    fn from(error: ApiError) -> Self {
        Self::Failed {
            error,
            receipt: None,
        }
    }
}

/// What is needed to write a reply as a response.
#[derive(Debug, Clone)]
pub struct ReplyContext {
    /// The offer.
    pub offer: Offer,
    /// The payment's version.
    pub version: Version,
    /// The request's id.
    pub id: RequestId,
}

impl ReplyContext {
    /// The whole response.
    pub fn respond(&self, reply: &PaymentReply) -> Response {
        match reply {
            PaymentReply::Done { answer, receipt } => {
                let mut response = plain(answer);
                challenge::attach_receipt(&mut response, self.version, receipt);
                response
            }
            PaymentReply::FromCredit {
                answer,
                charged,
                available,
            } => {
                let mut response = plain(answer);
                let headers = response.headers_mut();
                headers.insert(CREDIT_CHARGED, HeaderValue::from(*charged));
                headers.insert(CREDIT_AVAILABLE, HeaderValue::from(*available));
                let value = HeaderValue::from_static("private, no-store");
                headers.insert(header::CACHE_CONTROL, value);
                response
            }
            PaymentReply::NoCredit(told) => challenge::required_beside_credit(&self.offer, told),
            PaymentReply::Held(answer) => {
                let mut response = plain(answer);
                let headers = response.headers_mut();
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
            PaymentReply::NotTaken(reason) => challenge::refused(&self.offer, reason),
            PaymentReply::NotSettled(receipt) => {
                challenge::not_settled(&self.offer, self.version, receipt)
            }
            PaymentReply::Failed { error, receipt } => {
                let mut response = error.respond(&self.id);
                if let Some(receipt) = receipt {
                    challenge::attach_receipt(&mut response, self.version, receipt);
                }
                response
            }
        }
    }

    /// A stream of events: progress as it comes, then `result` with status, body and receipt. A
    /// reply that comes before the first event is an ordinary response, so that a refusal keeps its
    /// status.
    pub async fn stream(
        self,
        mut steps: ProgressEvents,
        reply: oneshot::Receiver<PaymentReply>,
    ) -> Response {
        let Some(first) = steps.recv().await else {
            return self.respond(&received(reply).await);
        };
        let state = (self, Some(first), steps, Some(reply));
        let events = stream::unfold(state, |(frame, first, mut steps, reply)| async move {
            let step = match first {
                Some(step) => Some(step),
                None => steps.recv().await,
            };
            if let Some(step) = step {
                let event = Event::default()
                    .event(step.name)
                    .data(step.data.to_string());
                return Some((Ok::<_, Infallible>(event), (frame, None, steps, reply)));
            }
            // The work has dropped its sender: the reply is there, or will never come.
            let reply = received(reply?).await;
            let data = frame.result(&reply).to_string();
            let event = Event::default().event("result").data(data);
            Some((Ok(event), (frame, None, steps, None)))
        });
        let mut response = Sse::new(events)
            .keep_alive(KeepAlive::default())
            .into_response();
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        );
        response
    }

    fn result(&self, reply: &PaymentReply) -> Value {
        let body = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
        match reply {
            PaymentReply::Done { answer, receipt } => {
                json!({"status": answer.status, "body": body(&answer.body), "receipt": receipt})
            }
            PaymentReply::FromCredit {
                answer,
                charged,
                available,
            } => json!({
                "status": answer.status, "body": body(&answer.body),
                "credit": {"charged": Usdc(*charged), "available": Usdc(*available)},
            }),
            PaymentReply::NoCredit(told) => {
                let body = challenge::body_beside_credit(&self.offer, told);
                json!({"status": 402, "body": body})
            }
            PaymentReply::Held(answer) => {
                json!({"status": answer.status, "body": body(&answer.body)})
            }
            PaymentReply::NotTaken(reason) => {
                let message = challenge::sentence(reason);
                json!({"status": 402, "body": challenge::body(&self.offer, &reason.code, &message)})
            }
            PaymentReply::NotSettled(receipt) => {
                let error = receipt.error_reason.as_deref().unwrap_or("payment_refused");
                let message = challenge::settlement_sentence(receipt);
                let body = challenge::body(&self.offer, error, &message);
                json!({"status": 402, "body": body, "receipt": receipt})
            }
            PaymentReply::Failed { error, receipt } => json!({
                "status": error.code.status(), "body": error.envelope(self.id.as_str()), "receipt": receipt,
            }),
        }
    }
}

fn plain(answer: &StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Body::from(Bytes::from(answer.body.clone()));
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

/// Waits for the reply. Only a panic or the end of the process leaves none.
pub async fn received(reply: oneshot::Receiver<PaymentReply>) -> PaymentReply {
    reply.await.unwrap_or_else(|_| {
        let message = "The work on this request broke off; send the same signed request again to learn its outcome.";
        ApiError::new(api_types::ErrorCode::Internal, message).into()
    })
}
