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
    random::SeededRandom,
    world::ledger::{Ledger, Transfer, TransferKind, TransferRefusal},
};

/// How a settlement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SettleBehavior {
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

const SETTLE_BEHAVIORS: [(SettleBehavior, u32); 16] = [
    (SettleBehavior::Good, 50),
    (SettleBehavior::SettlesAndAnswersLate, 4),
    (SettleBehavior::SettlesAndCutsTheConnection, 5),
    (SettleBehavior::SettlesAndNeverAnswers, 3),
    (SettleBehavior::SettlesAndAnswers500, 4),
    (SettleBehavior::SettlesAndAnswersGarbage, 3),
    (SettleBehavior::SettlesAndRefuses, 4),
    (SettleBehavior::SettlesAndNamesAnotherPayer, 3),
    (SettleBehavior::SettlesAndNamesNoTransaction, 3),
    (SettleBehavior::AnswersBeforeTheBlock, 4),
    (SettleBehavior::SettlesTwice, 4),
    (SettleBehavior::Refuses, 6),
    (SettleBehavior::RefusesAndSettlesLater, 3),
    (SettleBehavior::NeverAnswers, 2),
    (SettleBehavior::AnswersGarbage, 2),
    (SettleBehavior::Answers503, 3),
];

/// How a verification goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VerifyBehavior {
    Good,
    Answers500,
    Garbage,
    Late,
    RefusesWhatIsGood,
    NamesAnotherPayer,
}

const VERIFY_BEHAVIORS: [(VerifyBehavior, u32); 6] = [
    (VerifyBehavior::Good, 90),
    (VerifyBehavior::Answers500, 3),
    (VerifyBehavior::Garbage, 2),
    (VerifyBehavior::Late, 2),
    (VerifyBehavior::RefusesWhatIsGood, 2),
    (VerifyBehavior::NamesAnotherPayer, 1),
];

/// The facilitator.
pub struct FaultyFacilitator {
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    network: &'static Network,
    random: Mutex<SeededRandom>,
    honest: AtomicBool,
}

impl FaultyFacilitator {
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
            random: Mutex::new(SeededRandom::for_actor(seed, "facilitator")),
            honest: AtomicBool::new(false),
        })
    }

    /// From now on it does what it should.
    pub fn become_honest(&self) {
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

    fn random<T>(&self, roll: impl FnOnce(&mut SeededRandom) -> T) -> T {
        roll(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn examine(&self, request: &FacilitatorRequest) -> Result<(Transfer, u64), &'static str> {
        let (wanted, valid_after) = self.read(request)?;
        self.ledger
            .examine(&wanted, valid_after)
            .map_err(reason_code)?;
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
        let wanted = Transfer::unsent(
            TransferKind::Authorized,
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
            let sent = sent.map_err(reason_code);
            if let Ok(transaction) = &sent {
                let nonce = wanted.nonce.to_string();
                self.journal.record(
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
            Err("invalid_exact_evm_nonce_already_used")
                if self.random(|random| random.percent(50)) =>
            {
                let nonce = request.payment_payload.authorization().nonce;
                match self.ledger.find_by_nonce(payer, nonce) {
                    Some(facilitator)
                        if facilitator.kind == TransferKind::Authorized
                            && self.is_same_authorization(request, &facilitator) =>
                    {
                        facilitator.transaction
                    }
                    _ => return refusal("invalid_exact_evm_nonce_already_used", network),
                }
            }
            Err(reason) => return refusal(reason, network),
        };
        let nonce = request.payment_payload.authorization().nonce;
        let mined = || {
            let facilitator = self.ledger.find_by_nonce(payer, nonce);
            facilitator.is_none_or(|facilitator| facilitator.place.is_some())
        };
        while wait && !mined() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        json!({"success": true, "transaction": transaction, "network": network, "payer": payer})
    }

    /// Whether the use of the nonce was this authorization's.
    fn is_same_authorization(&self, request: &FacilitatorRequest, facilitator: &Transfer) -> bool {
        let message = request.payment_payload.authorization();
        message.to == facilitator.to && message.value == U256::from(facilitator.value)
    }
}

fn reason_code(refusal: TransferRefusal) -> &'static str {
    match refusal {
        TransferRefusal::Window => "invalid_exact_evm_payload_authorization_valid_before",
        TransferRefusal::Balance => "insufficient_funds",
        TransferRefusal::NonceUsed => "invalid_exact_evm_nonce_already_used",
    }
}

fn refusal(reason: &str, network: &str) -> Value {
    json!({"success": false, "errorReason": reason, "transaction": "", "network": network})
}

fn spaced_words(behavior: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{behavior:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

async fn supported(State(facilitator): State<Arc<FaultyFacilitator>>) -> Json<Value> {
    let network = facilitator.network;
    Json(json!({"kinds": [
        {"x402Version": 1, "scheme": "exact", "network": network.v1_name},
        {"x402Version": 2, "scheme": "exact", "network": network.caip2},
    ]}))
}

async fn verify(
    State(facilitator): State<Arc<FaultyFacilitator>>,
    Json(request): Json<FacilitatorRequest>,
) -> Response {
    let payer = request.payment_payload.payer();
    let honest = facilitator.honest.load(Ordering::SeqCst);
    let mut behavior = facilitator.random(|random| random.weighted(&VERIFY_BEHAVIORS));
    if honest {
        behavior = VerifyBehavior::Good;
    }
    if behavior != VerifyBehavior::Good {
        let nonce = request.payment_payload.authorization().nonce;
        let kind = format!("facilitator verify: {}", spaced_words(behavior));
        facilitator.journal.fault(&nonce.to_string(), &kind);
    }
    match behavior {
        VerifyBehavior::Answers500 => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        VerifyBehavior::Garbage => return "<html>a proxy</html>".into_response(),
        VerifyBehavior::Late => tokio::time::sleep(Duration::from_secs(2)).await,
        VerifyBehavior::RefusesWhatIsGood => {
            return Json(json!({"isValid": false, "invalidReason": "insufficient_funds"}))
                .into_response();
        }
        VerifyBehavior::NamesAnotherPayer => {
            return Json(json!({"isValid": true, "payer": Address::repeat_byte(0xee)}))
                .into_response();
        }
        VerifyBehavior::Good => {}
    }
    Json(match facilitator.examine(&request) {
        Ok(_) => json!({"isValid": true, "payer": payer}),
        Err(reason) => json!({"isValid": false, "invalidReason": reason, "payer": payer}),
    })
    .into_response()
}

async fn settle(
    State(facilitator): State<Arc<FaultyFacilitator>>,
    Json(request): Json<FacilitatorRequest>,
) -> Response {
    let nonce = request.payment_payload.authorization().nonce.to_string();
    let mut behavior = facilitator.random(|random| random.weighted(&SETTLE_BEHAVIORS));
    if facilitator.honest.load(Ordering::SeqCst) {
        behavior = SettleBehavior::Good;
    }
    if behavior != SettleBehavior::Good {
        facilitator.journal.fault(
            &nonce,
            &format!("facilitator settle: {}", spaced_words(behavior)),
        );
    }
    // In a task of its own: a caller who hangs up does not stop a transfer.
    let work =
        tokio::spawn(async move { perform_settlement(&facilitator, &request, behavior).await });
    work.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn perform_settlement(
    facilitator: &Arc<FaultyFacilitator>,
    request: &FacilitatorRequest,
    behavior: SettleBehavior,
) -> Response {
    let network = request.payment_payload.network().to_owned();
    match behavior {
        SettleBehavior::Refuses => {
            return Json(refusal("insufficient_funds", &network)).into_response();
        }
        SettleBehavior::RefusesAndSettlesLater => {
            let wait = facilitator.random(|random| random.between(100, 3_000));
            let (later, request) = (Arc::clone(facilitator), request.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                later.move_money(&request, 0, true).await
            });
            return Json(refusal("insufficient_funds", &network)).into_response();
        }
        SettleBehavior::NeverAnswers => return never_answer().await,
        SettleBehavior::AnswersGarbage => return "<html>a proxy</html>".into_response(),
        SettleBehavior::Answers503 => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        SettleBehavior::AnswersBeforeTheBlock => {
            let after = facilitator.random(|random| random.between(2, 12));
            return Json(facilitator.move_money(request, after, false).await).into_response();
        }
        SettleBehavior::SettlesTwice => {
            let first = facilitator.move_money(request, 0, false);
            let second = facilitator.move_money(request, 0, true);
            let (_, second) = tokio::join!(first, second);
            return Json(second).into_response();
        }
        _ => {}
    }
    let mut said = facilitator.move_money(request, 0, true).await;
    match behavior {
        SettleBehavior::SettlesAndAnswersLate => {
            let wait = facilitator.random(|random| random.between(1_000, 5_000));
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        SettleBehavior::SettlesAndCutsTheConnection => return broken_response(),
        SettleBehavior::SettlesAndNeverAnswers => return never_answer().await,
        SettleBehavior::SettlesAndAnswers500 => {
            let body = refusal("unexpected_settle_error", &network);
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
        SettleBehavior::SettlesAndAnswersGarbage => return "{\"success\":".into_response(),
        SettleBehavior::SettlesAndRefuses => said = refusal("insufficient_funds", &network),
        SettleBehavior::SettlesAndNamesAnotherPayer => {
            said["payer"] = json!(Address::repeat_byte(0xee))
        }
        SettleBehavior::SettlesAndNamesNoTransaction => said["transaction"] = json!(""),
        _ => {}
    }
    Json(said).into_response()
}

async fn never_answer() -> Response {
    tokio::time::sleep(Duration::from_secs(20)).await;
    StatusCode::GATEWAY_TIMEOUT.into_response()
}

/// An answer that breaks off.
fn broken_response() -> Response {
    let broken = futures_util::stream::iter([
        Ok(axum::body::Bytes::from_static(b"{\"succ")),
        Err(std::io::Error::other("cut")),
    ]);
    axum::body::Body::from_stream(broken).into_response()
}
