//! Credit and API keys over HTTP: paid in once, spent without a signature, given back.

mod crashes;
mod keys;
mod returns;
mod spending;
mod top_up;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, call},
    guest::{self, plain_shell},
    support::TestApp,
};

/// The price of a call from credit, atomic USDC.
const CALL: u64 = 100;
const ON: (&str, &str) = ("CREDIT", "true");

/// A caller with a key.
#[derive(Clone)]
struct Keyed {
    key: String,
}

impl Keyed {
    fn headers(&self, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut headers = vec![("authorization", format!("Bearer {}", self.key))];
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        headers.extend(more);
        headers
    }

    async fn send(
        &self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<Value>,
        more: &[(&'static str, &str)],
    ) -> Answer {
        call(app, &method, path, body.as_ref(), &self.headers(more)).await
    }

    async fn get(&self, app: &TestApp, path: &str) -> Answer {
        self.send(app, Method::GET, path, None, &[]).await
    }

    /// The cheapest paid call.
    async fn list(&self, app: &TestApp) -> Answer {
        self.get(app, "/management/list").await
    }

    async fn lease(&self, app: &TestApp, minutes: u32) -> Answer {
        let body = json!({"runtimeMinutes": minutes, "hostname": "box"});
        self.send(app, Method::POST, "/lease/container", Some(body), &[])
            .await
    }
}

async fn service() -> TestApp {
    guest::app(plain_shell(), &[ON]).await
}

/// Tops up with play money and makes a key with it.
async fn keyed(app: &TestApp, buyer: &Buyer, amount: u64, key: Value) -> Keyed {
    app.fund(buyer.wallet()).await;
    let body = json!({"amount": amount.to_string(), "key": key});
    let paid = buyer
        .pay(app, Method::POST, "/credit/top-up", Some(body))
        .await;
    assert_eq!(paid.status, 200, "{:?}", paid.body);
    let key = paid.body["apiKey"]["key"].as_str().unwrap().to_owned();
    Keyed { key }
}

/// What a wallet has, and holds.
async fn credit(app: &TestApp, buyer: &Buyer) -> (u64, u64) {
    let credit = app
        .app
        .store
        .credit_of(&buyer.wallet().into())
        .await
        .unwrap();
    (credit.balance, credit.held)
}

async fn books_balance(app: &TestApp) {
    assert_eq!(app.app.store.credit_faults().await.unwrap(), []);
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .get(name)
        .map(|value| value.to_str().unwrap())
}
