//! `GET /management/list`: the payer's leases with the live state of their containers, for programs
//! that have no session.

use api_types::{KeyScope, Price, Tariff};
use axum::http::Method;

use super::{answer, call_price};
use crate::{
    error::ApiError,
    lease::view::{self, EndedPage, LiveStateNeed},
    openapi::{Content, Documentation, Documented, examples},
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    paywall::body,
    state::App,
    store::{Payment, StoreError},
};

/// How many leases that are over are on the list, beside all live ones.
const MOST_ENDED: u32 = 20;

/// A look at the payer's leases.
#[derive(Debug)]
pub struct List;

impl Operation for List {
    const NAME: &'static str = "list";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/management/list";
    const DESCRIPTION: &'static str = "The payer's leases with their live state";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = false;
    const RETRY: RetryPolicy = RetryPolicy::ForPayer;
    const KEY_SCOPE: Option<KeyScope> = Some(KeyScope::Read);

    async fn read(_app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        body::none(call.body)?;
        Ok(Self)
    }

    fn default_price(tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    async fn admit(&self, _app: &App, _job: &PaymentJob) -> Result<(), ApiError> {
        Ok(())
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        _paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        // The answer is stored for a day, so its size is bounded.
        let ended = EndedPage {
            before: None,
            limit: MOST_ENDED,
        };
        let mut list = view::list_leases(app, &job.payer, LiveStateNeed::Required, ended).await?;
        // Further pages are those of `GET /leases`.
        list.next = None;
        Ok(answer(200, &list)?.into())
    }

    async fn resume(_app: &App, _payment: &Payment) -> Result<Option<Self>, StoreError> {
        Ok(None)
    }
}

impl Documented for List {
    fn documentation() -> Documentation {
        Documentation {
            id: "listManagedLeases",
            tag: "Leases",
            details: "For programs without a session: all live leases, and the youngest twenty that are over. `GET /leases` is \
                      free and has all of them in pages.",
            request: None,
            answered: "The payer's leases, the youngest first.",
            response: Content::json(&examples::list()),
            held: None,
            refusals: &[],
        }
    }
}
