//! `POST /credit/top-up`: money that a wallet pays in ahead, and an API key that may spend it.

use api_types::{
    ErrorCode, FieldError, KeyRequest, KeyScope, LineItem, NewKey, Price, Secret, Tariff,
    TopUpRequest, TopUpResponse, Usdc,
};
use axum::http::Method;
use serde_json::{Value, json};

use super::answer;
use crate::{
    config::CreditConfig,
    credit,
    error::ApiError,
    ids::{PaymentId, Wallet},
    keys::{self, format::KeyDigits, view},
    openapi::{Content, Documentation, Documented},
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    paywall::body,
    state::App,
    store::{Change, Payment, StoreError, StoredAnswer, TopUp as PaidIn},
};

/// Keys that are derived for a payment: the public id of the first may be another key's.
const CANDIDATES: u32 = 3;

/// Money paid in ahead.
#[derive(Debug)]
pub struct TopUp {
    amount: u64,
    key: Option<KeyRequest>,
}

impl Operation for TopUp {
    const NAME: &'static str = "top_up";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = credit::TOP_UP_PATH;
    const DESCRIPTION: &'static str =
        "Credit for further calls, with an API key if one is asked for";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = true;
    const RETRY: RetryPolicy = RetryPolicy::Resumed;
    const KEY_SCOPE: Option<KeyScope> = None;
    const NEEDS_BODY: bool = true;
    const IS_OF_CREDIT: bool = true;

    async fn read(app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        let rules = rules(app)?;
        let now = app.now();
        let TopUpRequest { amount, key } =
            body::read(call.body, |request| check(request, rules, now))?;
        Ok(Self {
            amount: amount.0,
            key,
        })
    }

    fn default_price(_tariff: &Tariff) -> Result<Price, ApiError> {
        Ok(price_of(TopUpRequest::default().amount.0))
    }

    fn price(&self, _tariff: &Tariff) -> Result<Price, ApiError> {
        Ok(price_of(self.amount))
    }

    fn arguments(&self) -> Value {
        json!({"amount": Usdc(self.amount), "key": self.key})
    }

    async fn check_payer(&self, app: &App, payer: &Wallet) -> Result<(), ApiError> {
        let most = credit::most(app, rules(app)?, payer, 0).await?;
        self.check_most(most)
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        // This payment is one of those that wait.
        let waiting = app.store.waiting_of(&job.payer).await?;
        let others = waiting.saturating_sub(job.amount);
        let most = credit::most(app, rules(app)?, &job.payer, others).await?;
        self.check_most(most)
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        let test = keys::are_for_test(&app.config.payments);
        let of_key = |request: &KeyRequest| {
            let candidates = candidates(app, &job.payment_id);
            let keys = candidates.map(|digits| view::new_key(request, &digits, &job.payer, test));
            keys.collect::<Vec<_>>()
        };
        let paid_in = PaidIn {
            payment_id: job.payment_id.clone(),
            wallet: job.payer.clone(),
            // What moved: version 1 may sign for more than the price.
            amount: job.amount,
            network: paid.network.clone(),
            keys: self.key.as_ref().map(of_key).unwrap_or_default(),
        };
        let outcome = app.store.top_up(paid_in, app.now()).await?;
        let key_id = outcome.key_id.as_ref().map(ToString::to_string);
        let data = json!({"amount": job.amount.to_string(), "transaction": paid.transaction, "keyId": key_id});
        let event = Change::event(&job.payment_id, "topped_up", data);
        let response = TopUpResponse {
            balance: Usdc(outcome.balance),
            entry_id: outcome.entry_id,
            // The key itself is derived by `reveal`, so that it is not stored.
            api_key: key_id.map(|id| NewKey {
                key: Secret::new(""),
                id,
            }),
        };
        Ok(Delivery {
            changes: vec![event],
            ..answer(200, &response)?.into()
        })
    }

    fn reveal(app: &App, payment_id: &PaymentId, stored: StoredAnswer) -> StoredAnswer {
        let Ok(mut response) = serde_json::from_str::<TopUpResponse>(&stored.body) else {
            return stored;
        };
        let test = keys::are_for_test(&app.config.payments);
        if let Some(made) = &mut response.api_key
            && let Some(digits) = candidates(app, payment_id).find(|one| *one.id() == *made.id)
        {
            made.key = Secret::new(digits.key(test));
        }
        answer(stored.status, &response).unwrap_or(stored)
    }

    async fn resume(_app: &App, payment: &Payment) -> Result<Option<Self>, StoreError> {
        let arguments: Value = serde_json::from_str(&payment.arguments).unwrap_or_default();
        let key = serde_json::from_value(arguments["key"].clone()).unwrap_or_default();
        Ok(Some(Self {
            amount: payment.amount,
            key,
        }))
    }
}

impl TopUp {
    fn check_most(&self, most: u64) -> Result<(), ApiError> {
        if self.amount <= most {
            return Ok(());
        }
        let message = format!("is more than this wallet may pay in now, which is {most}");
        let error = ApiError::invalid(vec![FieldError::new("amount", message)]);
        Err(error.with("maximum", most.to_string()))
    }
}

fn rules(app: &App) -> Result<&CreditConfig, ApiError> {
    let rules = app.config.credit.as_ref();
    rules.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "There is no credit here."))
}

fn check(request: &TopUpRequest, rules: &CreditConfig, now: i64) -> Result<(), Vec<FieldError>> {
    let mut found = Vec::new();
    let bounds = rules.min_top_up..=rules.max.min(rules.max_day);
    if !bounds.contains(&request.amount.0) {
        let message = format!("has to be from {} to {}", bounds.start(), bounds.end());
        found.push(FieldError::new("amount", message));
    }
    if let Some(key) = &request.key
        && let Err(fields) = view::check(key, "key.", now)
    {
        found.extend(fields);
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn price_of(amount: u64) -> Price {
    Price {
        total: Usdc(amount),
        lines: vec![LineItem {
            label: "Credit".to_owned(),
            quantity: "1".to_owned(),
            unit: "top-up".to_owned(),
            amount: Usdc(amount),
        }],
    }
}

/// The keys that a payment may have bought, the first of which is nearly always the one.
fn candidates(app: &App, payment_id: &PaymentId) -> impl Iterator<Item = KeyDigits> {
    (0..CANDIDATES).map(move |number| {
        let tag = app
            .installation
            .sign(&format!("api-key:{payment_id}:{number}"));
        let mut random = [0; 16];
        random.copy_from_slice(&tag[..16]);
        KeyDigits::new(&random)
    })
}

impl Documented for TopUp {
    fn documentation() -> Documentation {
        Documentation {
            id: "topUp",
            tag: "Credit",
            details: "The price is the amount. Credit is spent by requests with an API key of the wallet, or with its session and \
                `Credit: use`, without a signature each. The key in the answer is shown again only to a repetition of this request \
                that proves to be the payer's.",
            request: Some(Content::json(&TopUpRequest {
                amount: Usdc::ONE,
                key: Some(KeyRequest {
                    name: "ci".to_owned(),
                    limit_day: Some(Usdc(200_000)),
                    scopes: Some(vec![KeyScope::Lease, KeyScope::Exec]),
                    ..KeyRequest::default()
                }),
            })),
            answered: "The wallet has the credit.",
            response: Content::json(&TopUpResponse {
                balance: Usdc::ONE,
                entry_id: 7,
                api_key: Some(NewKey {
                    key: Secret::new("i402_shown-once"),
                    id: "0f1e2d3c".to_owned(),
                }),
            }),
            held: None,
            refusals: &[],
        }
    }
}
