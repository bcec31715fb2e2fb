//! `GET /management/list`: the payer's leases with the live state of their containers, for programs that have no session.

use api_types::{ListResponse, Price, Tariff, price};
use axum::http::Method;

use super::answer;
use crate::{
    error::ApiError,
    lease::view::{self, Live},
    paywall::{Call, Flow, Job, Operation, Paid, Repeat, body},
    state::App,
    store::Answer,
};

/// A look at the payer's leases.
#[derive(Debug)]
pub struct List;

impl Operation for List {
    const NAME: &'static str = "list";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/management/list";
    const DESCRIPTION: &'static str = "The payer's leases with their live state";
    const FLOW: Flow = Flow::SettleThenDeliver;
    const REPEAT: Repeat = Repeat::ForPayer;

    async fn read(_app: &App, call: Call<'_>) -> Result<Self, ApiError> {
        body::none(call.body)?;
        Ok(Self)
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    async fn admit(&self, _app: &App, _job: &Job) -> Result<(), ApiError> {
        Ok(())
    }

    async fn deliver(&self, app: &App, job: &Job, _paid: &Paid) -> Result<Answer, ApiError> {
        let leases = view::of_wallet(app, &job.payer, Live::Required).await?;
        answer(200, &ListResponse { leases })
    }
}

/// What every call without a size costs.
///
/// # Errors
/// The operator's fee is too large for any payment.
pub fn call_price(tariff: &Tariff) -> Result<Price, ApiError> {
    price::price_call(tariff).map_err(|_| {
        ApiError::new(
            api_types::ErrorCode::Unavailable,
            "The call fee is set to an impossible amount.",
        )
    })
}
