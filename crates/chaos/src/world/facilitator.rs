//! A facilitator that moves money on the ledger and says something else about it: late, twice,
//! wrongly or nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, U256};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use x402::{eip3009, network::Network, offer::FacilitatorRequest, wire::exact::Authorization};

use crate::{
    journal::Journal,
    random::Dice,
    world::ledger::{Kind, Ledger, Refusal, Transfer},
};

/// How a settlement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Good,
    SettlesAndAnswersLate,
    SettlesAndCutsTheConnection,
    SettlesAndNeverAnswers,
    SettlesAndAnswers500,
    SettlesAndAnswersGarbage,
    SettlesAndRefuses,
    SettlesAndNamesAnotherPayer,
    SettlesAndNamesNoTransaction,
    AnswersBeforeTheBlock,
    SettlesTwice,
    Refuses,
    RefusesAndSettlesLater,
    NeverAnswers,
    AnswersGarbage,
    Answers503,
}

const WAYS: [(Way, u32); 16] = [
    (Way::Good, 50),
    (Way::SettlesAndAnswersLate, 4),
    (Way::SettlesAndCutsTheConnection, 5),
    (Way::SettlesAndNeverAnswers, 3),
    (Way::SettlesAndAnswers500, 4),
    (Way::SettlesAndAnswersGarbage, 3),
    (Way::SettlesAndRefuses, 4),
    (Way::SettlesAndNamesAnotherPayer, 3),
    (Way::SettlesAndNamesNoTransaction, 3),
    (Way::AnswersBeforeTheBlock, 4),
    (Way::SettlesTwice, 4),
    (Way::Refuses, 6),
    (Way::RefusesAndSettlesLater, 3),
    (Way::NeverAnswers, 2),
    (Way::AnswersGarbage, 2),
    (Way::Answers503, 3),
];

/// How a verification goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Answers500,
    Garbage,
    Late,
    RefusesWhatIsGood,
    NamesAnotherPayer,
}

const VERDICTS: [(Verdict, u32); 6] = [
    (Verdict::Good, 90),
    (Verdict::Answers500, 3),
    (Verdict::Garbage, 2),
    (Verdict::Late, 2),
    (Verdict::RefusesWhatIsGood, 2),
    (Verdict::NamesAnotherPayer, 1),
];

/// The facilitator.
pub struct Facilitator {
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    network: &'static Network,
    dice: Mutex<Dice>,
    honest: AtomicBool,
}

impl Facilitator {
    /// A hostile one.
    pub fn new(
        ledger: Arc<Ledger>,
        journal: Arc<Journal>,
        network: &'static Network,
        seed: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            journal,
            network,
            dice: Mutex::new(Dice::of(seed, "facilitator")),
            honest: AtomicBool::new(false),
        })
    }

    /// From now on it does what it should.
    pub fn be_honest(&self) {
        self.honest.store(true, Ordering::SeqCst);
    }

    /// Its routes.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/supported", get(supported))
            .route("/verify", post(verify))
            .route("/settle", post(settle))
            .with_state(Arc::clone(self))
    }

    fn dice<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn examine(&self, request: &FacilitatorRequest) -> Result<(Transfer, u64), &'static str> {
        let (wanted, valid_after) = self.read(request)?;
        self.ledger.examine(&wanted, valid_after).map_err(word)?;
        Ok((wanted, valid_after))
    }

    fn read(&self, request: &FacilitatorRequest) -> Result<(Transfer, u64), &'static str> {
        let exact = request.payment_payload.exact();
        let message: &Authorization = &exact.authorization;
        let signature = alloy::primitives::hex::decode(&exact.signature);
        let signature = signature.map_err(|_| "invalid_exact_evm_payload_signature")?;
        let signer = eip3009::recover(self.network, &self.network.usdc, message, &signature);
        if signer.ok() != Some(message.from) {
            return Err("invalid_exact_evm_payload_signature");
        }
        let small = |number: U256| u64::try_from(number).unwrap_or(u64::MAX);
        let wanted = Transfer::wanted(
            Kind::Authorized,
            message.from,
            message.to,
            small(message.value),
            message.nonce,
            small(message.valid_before),
        );
        Ok((wanted, small(message.valid_after)))
    }

    /// Moves the money, and waits for the block unless told not to.
    async fn move_money(&self, request: &FacilitatorRequest, after: u64, wait: bool) -> Value {
        let network = request.payment_payload.network();
        let sent = self.read(request).and_then(|(wanted, valid_after)| {
            let sent = self.ledger.send(&wanted, valid_after, after);
            let sent = sent.map_err(word);
            if let Ok(transaction) = &sent {
                let nonce = wanted.nonce.to_string();
                self.journal.note(
                    &nonce,
                    format!("ledger: moves {} by {transaction}", wanted.value),
                );
                self.journal.count("ledger", "transfers by authorization");
            }
            sent
        });
        let payer = request.payment_payload.payer();
        let transaction = match sent {
            Ok(transaction) => transaction,
            Err("invalid_exact_evm_nonce_already_used") if self.dice(|dice| dice.percent(50)) => {
                let nonce = request.payment_payload.authorization().nonce;
                match self.ledger.of_nonce(payer, nonce) {
                    Some(one) if one.kind == Kind::Authorized && self.is_that(request, &one) => {
                        one.transaction
                    }
                    _ => return refusal("invalid_exact_evm_nonce_already_used", network),
                }
            }
            Err(reason) => return refusal(reason, network),
        };
        let nonce = request.payment_payload.authorization().nonce;
        let mined = || {
            let one = self.ledger.of_nonce(payer, nonce);
            one.is_none_or(|one| one.place.is_some())
        };
        while wait && !mined() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        json!({"success": true, "transaction": transaction, "network": network, "payer": payer})
    }

    /// Whether the use of the nonce was this authorization's.
    fn is_that(&self, request: &FacilitatorRequest, one: &Transfer) -> bool {
        let message = request.payment_payload.authorization();
        message.to == one.to && message.value == U256::from(one.value)
    }
}

fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Window => "invalid_exact_evm_payload_authorization_valid_before",
        Refusal::Balance => "insufficient_funds",
        Refusal::NonceUsed => "invalid_exact_evm_nonce_already_used",
    }
}

fn refusal(reason: &str, network: &str) -> Value {
    json!({"success": false, "errorReason": reason, "transaction": "", "network": network})
}

fn snake(way: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{way:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

async fn supported(State(one): State<Arc<Facilitator>>) -> Json<Value> {
    let network = one.network;
    Json(json!({"kinds": [
        {"x402Version": 1, "scheme": "exact", "network": network.v1_name},
        {"x402Version": 2, "scheme": "exact", "network": network.caip2},
    ]}))
}

async fn verify(
    State(one): State<Arc<Facilitator>>,
    Json(request): Json<FacilitatorRequest>,
) -> Response {
    let payer = request.payment_payload.payer();
    let honest = one.honest.load(Ordering::SeqCst);
    let mut verdict = one.dice(|dice| dice.weighted(&VERDICTS));
    if honest {
        verdict = Verdict::Good;
    }
    if verdict != Verdict::Good {
        let nonce = request.payment_payload.authorization().nonce;
        let kind = format!("facilitator verify: {}", snake(verdict));
        one.journal.fault(&nonce.to_string(), &kind);
    }
    match verdict {
        Verdict::Answers500 => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Verdict::Garbage => return "<html>a proxy</html>".into_response(),
        Verdict::Late => tokio::time::sleep(Duration::from_secs(2)).await,
        Verdict::RefusesWhatIsGood => {
            return Json(json!({"isValid": false, "invalidReason": "insufficient_funds"}))
                .into_response();
        }
        Verdict::NamesAnotherPayer => {
            return Json(json!({"isValid": true, "payer": Address::repeat_byte(0xee)}))
                .into_response();
        }
        Verdict::Good => {}
    }
    Json(match one.examine(&request) {
        Ok(_) => json!({"isValid": true, "payer": payer}),
        Err(reason) => json!({"isValid": false, "invalidReason": reason, "payer": payer}),
    })
    .into_response()
}

async fn settle(
    State(one): State<Arc<Facilitator>>,
    Json(request): Json<FacilitatorRequest>,
) -> Response {
    let nonce = request.payment_payload.authorization().nonce.to_string();
    let mut way = one.dice(|dice| dice.weighted(&WAYS));
    if one.honest.load(Ordering::SeqCst) {
        way = Way::Good;
    }
    if way != Way::Good {
        one.journal
            .fault(&nonce, &format!("facilitator settle: {}", snake(way)));
    }
    // In a task of its own: a caller who hangs up does not stop a transfer.
    let work = tokio::spawn(async move { act(&one, &request, way).await });
    work.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn act(one: &Arc<Facilitator>, request: &FacilitatorRequest, way: Way) -> Response {
    let network = request.payment_payload.network().to_owned();
    match way {
        Way::Refuses => return Json(refusal("insufficient_funds", &network)).into_response(),
        Way::RefusesAndSettlesLater => {
            let wait = one.dice(|dice| dice.between(100, 3_000));
            let (later, request) = (Arc::clone(one), request.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                later.move_money(&request, 0, true).await
            });
            return Json(refusal("insufficient_funds", &network)).into_response();
        }
        Way::NeverAnswers => return silence().await,
        Way::AnswersGarbage => return "<html>a proxy</html>".into_response(),
        Way::Answers503 => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Way::AnswersBeforeTheBlock => {
            let after = one.dice(|dice| dice.between(2, 12));
            return Json(one.move_money(request, after, false).await).into_response();
        }
        Way::SettlesTwice => {
            let first = one.move_money(request, 0, false);
            let second = one.move_money(request, 0, true);
            let (_, second) = tokio::join!(first, second);
            return Json(second).into_response();
        }
        _ => {}
    }
    let mut said = one.move_money(request, 0, true).await;
    match way {
        Way::SettlesAndAnswersLate => {
            let wait = one.dice(|dice| dice.between(1_000, 5_000));
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        Way::SettlesAndCutsTheConnection => return cut(),
        Way::SettlesAndNeverAnswers => return silence().await,
        Way::SettlesAndAnswers500 => {
            let body = refusal("unexpected_settle_error", &network);
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
        Way::SettlesAndAnswersGarbage => return "{\"success\":".into_response(),
        Way::SettlesAndRefuses => said = refusal("insufficient_funds", &network),
        Way::SettlesAndNamesAnotherPayer => said["payer"] = json!(Address::repeat_byte(0xee)),
        Way::SettlesAndNamesNoTransaction => said["transaction"] = json!(""),
        _ => {}
    }
    Json(said).into_response()
}

async fn silence() -> Response {
    tokio::time::sleep(Duration::from_secs(20)).await;
    StatusCode::GATEWAY_TIMEOUT.into_response()
}

/// An answer that breaks off.
fn cut() -> Response {
    let broken = futures_util::stream::iter([
        Ok(axum::body::Bytes::from_static(b"{\"succ")),
        Err(std::io::Error::other("cut")),
    ]);
    axum::body::Body::from_stream(broken).into_response()
}
