//! Paid requests. A purchase has one idempotency key, which is stored before its payment is sent
//! and forgotten once its answer is there: however often the answer gets lost, and whatever ends
//! this program, the same command gets that answer and buys nothing anew.

pub mod events;
pub mod outcome;
pub mod pending;

use std::{
    io::{IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use api_types::Usdc;
use reqwest::{Method, Response, StatusCode, header::ACCEPT};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use x402::{
    client::{IDEMPOTENCY_KEY, read_challenge, receipt},
    eip3009,
    payment::Payment,
    purchase::{ChoiceError, Chosen, SpendingLimits},
    wire::receipt::Receipt,
};

use self::{
    events::{Event, EventParser, is_stream},
    outcome::{PaidAnswer, Verdict, unanswered, verdict},
    pending::{PendingPurchase, PendingPurchases, PurchaseRecord, PurchaseTerms},
};
use crate::{
    api::{Api, now, retry_after, whole},
    failure::{ExitStatus, Failure},
    printed::printable,
    state_files::fingerprint,
};

/// Consecutive connections that may get lost after the payment was sent.
const LOSSES: u32 = 6;
/// The pause after the first loss; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The pause before the same request is sent again, where the service names none.
const USUAL_PAUSE: Duration = Duration::from_secs(2);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How long an answer is asked for.
const ASKING: Duration = Duration::from_secs(180);

/// Whether a payment was sent and its answer is missing, for the words after Ctrl-C.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Whether a payment of this process was sent and its answer is missing.
pub fn is_open() -> bool {
    OPEN.load(Ordering::Relaxed)
}

/// A paid request.
#[derive(Debug)]
pub struct Wanted {
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The body.
    pub body: Option<Value>,
    /// What is bought, for people: `a lease of 60 minutes`.
    pub what: String,
    /// Whether progress and output are wanted as they come.
    pub streamed: bool,
    /// Whether the payment is said; not beside the output of a command.
    pub announced: bool,
}

/// What was bought.
#[derive(Debug)]
pub struct Bought {
    /// The status of the answer.
    pub status: u16,
    /// Its body.
    pub body: Value,
    /// Its body as it came, unless it came in an event.
    pub text: Option<String>,
    /// What was paid, where the service asked for a payment.
    pub paid: Option<Usdc>,
    /// The receipt.
    pub receipt: Option<Receipt>,
}

/// Buys what is wanted, or gets the answer of an interrupted purchase of the same.
///
/// # Errors
/// Nothing was paid, or [`ExitStatus::Unanswered`].
pub async fn buy(
    api: &Api,
    wanted: &Wanted,
    listen: &mut (dyn FnMut(&Event) + Send),
) -> Result<Bought, Failure> {
    let settings = &api.settings;
    let wallet = api.signer()?.address().to_string();
    let body = wanted
        .body
        .as_ref()
        .map(Value::to_string)
        .unwrap_or_default();
    let request = format!("{} {}", wanted.method, wanted.path);
    let fingerprint = fingerprint(&[&settings.api, &wallet, &request, &body]);
    let no_state = |error| {
        let failure = Failure::file(&settings.state, &error);
        failure.advise("nothing was paid: a purchase is stored before it is paid")
    };
    let purchases = PendingPurchases::open(&settings.state).map_err(no_state)?;
    let earlier = match settings.fresh {
        true => None,
        false => purchases.resume(&fingerprint, now()),
    };

    let response = api.send(prepared(api, wanted)).await?;
    if response.status() != StatusCode::PAYMENT_REQUIRED {
        return unpaid(response).await;
    }
    let challenge = read_challenge(response)
        .await
        .map_err(|error| Failure::not_understood(&error.to_string()))?;
    let names: Vec<&str> = settings.networks.iter().map(String::as_str).collect();
    let limits = SpendingLimits {
        max_amount: settings.max_price.atomic(),
        networks: &names,
    };
    let chosen = challenge
        .choose(&limits)
        .map_err(|error| not_chosen(api, &error))?;
    let (resumed, terms) = (earlier.is_some(), PurchaseTerms::of(&chosen));
    let pending = match earlier {
        Some(earlier) => {
            let since = now().saturating_sub(earlier.record.begun_at);
            settings.progress(&format!(
                "asking for the purchase that was interrupted {since} s ago; it is bought once"
            ));
            // What is signed now can be settled, too.
            if !earlier.record.terms.cover(&terms) {
                ask(api, wanted, &chosen).map_err(|_| declined_now())?;
            }
            earlier
        }
        None => {
            ask(api, wanted, &chosen)?;
            let record = PurchaseRecord {
                api: settings.api.clone(),
                request,
                key: format!("cli-{:x}", eip3009::random_nonce()).into(),
                begun_at: now(),
                terms,
            };
            purchases.begin(&fingerprint, record).map_err(no_state)?
        }
    };
    let payment = sign(api, &chosen, &pending)?;
    let asking = Asking {
        api,
        wanted,
        payment,
        amount: Usdc(chosen.amount),
    };
    OPEN.store(true, Ordering::Relaxed);
    let result = asking.until_answered(pending, resumed, listen).await;
    if !matches!(&result, Err(failure) if failure.status == ExitStatus::Unanswered) {
        OPEN.store(false, Ordering::Relaxed);
    }
    result
}

fn prepared(api: &Api, wanted: &Wanted) -> reqwest::RequestBuilder {
    let request = api
        .http()
        .request(wanted.method.clone(), api.url(&wanted.path));
    match &wanted.body {
        Some(body) => request.json(body),
        None => request,
    }
}

/// The answer of a request that asks for no payment.
async fn unpaid(response: Response) -> Result<Bought, Failure> {
    let status = response.status();
    let body = whole(response).await?;
    if !status.is_success() {
        return Err(Failure::from_response(status.as_u16(), &body));
    }
    Ok(Bought {
        status: status.as_u16(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        text: String::from_utf8(body).ok(),
        paid: None,
        receipt: None,
    })
}

fn not_chosen(api: &Api, error: &ChoiceError) -> Failure {
    let (code, message) = match error {
        ChoiceError::TooExpensive { amount, .. } => {
            let (price, limit) = (Usdc(*amount), api.settings.max_price);
            let message =
                format!("the price of {price} is over your limit of {limit}; nothing was paid");
            let raise = format!("allow it: --max-price {}", price.to_decimal());
            let failure = Failure::new(ExitStatus::NotPaid, "too_expensive", message);
            return failure.advise(raise);
        }
        ChoiceError::Unacceptable { .. } => {
            ("not_acceptable", format!("{error}; nothing was paid"))
        }
    };
    Failure::new(ExitStatus::NotPaid, code, message)
}

/// Asks on the terminal before a payment, if there is one and the price is worth a question.
fn ask(api: &Api, wanted: &Wanted, chosen: &Chosen) -> Result<(), Failure> {
    let settings = &api.settings;
    let (price, what) = (Usdc(chosen.amount), &wanted.what);
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if settings.yes || price <= settings.ask_above || !terminal {
        return Ok(());
    }
    let text = format!(
        "Pay {price} on {} to {} for {what}?",
        chosen.network.display_name, chosen.pay_to
    );
    match confirmed(&text) {
        true => Ok(()),
        false => Err(Failure::new(
            ExitStatus::NotPaid,
            "declined",
            "not paid, as you wish",
        )),
    }
}

/// The terms of an interrupted purchase have changed, and nothing is signed for the new ones.
fn declined_now() -> Failure {
    let message = "the service names another price or payee than before, and nothing was signed for it; \
                   whether the interrupted purchase was paid is not known";
    Failure::new(ExitStatus::Unanswered, "declined", message)
        .advise("see what was paid: infra402 payments")
}

/// A question that is answered by yes or no; anything else is a no.
pub fn confirmed(question: &str) -> bool {
    eprint!("{} [y/N] ", printable(question));
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).is_ok();
    read && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn sign(api: &Api, chosen: &Chosen, pending: &PendingPurchase) -> Result<Payment, Failure> {
    let signer = api.signer()?;
    let message = chosen.authorization(signer.address(), now(), eip3009::random_nonce());
    let signature = eip3009::sign(signer, chosen.network, &chosen.network.usdc, &message)
        .map_err(|_| Failure::local("the key cannot sign"))?;
    Ok(chosen.payment(message, signature, Some(pending.record.key.expose())))
}

/// One purchase, asked for until there is an answer.
struct Asking<'a> {
    api: &'a Api,
    wanted: &'a Wanted,
    payment: Payment,
    amount: Usdc,
}

impl Asking<'_> {
    async fn until_answered(
        &self,
        pending: PendingPurchase,
        resumed: bool,
        listen: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Bought, Failure> {
        let deadline = Instant::now() + ASKING;
        let (mut was_open, mut losses) = (resumed, 0);
        loop {
            let answer = match self.once(&pending, listen).await {
                Ok(answer) => answer,
                Err(why) => {
                    losses += 1;
                    was_open = true;
                    if losses == LOSSES {
                        return Err(unanswered(&why));
                    }
                    sleep(FIRST_PAUSE * (1 << losses)).await;
                    continue;
                }
            };
            losses = 0;
            let pause = answer.retry_after.unwrap_or(USUAL_PAUSE).min(LONGEST_PAUSE);
            match verdict(&answer, was_open) {
                Verdict::Delivered => {
                    pending.answered();
                    return Ok(self.bought(answer));
                }
                Verdict::Ended(failure) => {
                    pending.answered();
                    return Err(failure);
                }
                Verdict::Unclear(failure) => return Err(failure),
                Verdict::AskAgain(failure) => {
                    let is_open = failure.status == ExitStatus::Unanswered;
                    was_open |= is_open;
                    if Instant::now() + pause < deadline {
                        sleep(pause).await;
                        continue;
                    }
                    // What was surely never paid is no purchase to come back to.
                    if !was_open {
                        pending.answered();
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// Sends the signed request once; the error says why no answer came.
    async fn once(
        &self,
        pending: &PendingPurchase,
        listen: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<PaidAnswer, String> {
        let (name, value) = self.payment.to_header();
        let mut request = prepared(self.api, self.wanted)
            .header(name, value)
            .header(IDEMPOTENCY_KEY, pending.record.key.expose());
        if self.wanted.streamed {
            request = request.header(ACCEPT, "text/event-stream");
        }
        let response = request.send().await.map_err(|_| "no answer came")?;
        let (status, receipt) = (response.status().as_u16(), receipt(&response));
        let retry_after = retry_after(&response);
        if is_stream(&response) {
            return follow(response, listen).await;
        }
        let body = whole(response).await.map_err(|failure| failure.message)?;
        Ok(PaidAnswer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            text: String::from_utf8(body).ok(),
            receipt,
            retry_after,
        })
    }

    fn bought(&self, answer: PaidAnswer) -> Bought {
        let paid = answer.receipt.as_ref().filter(|receipt| receipt.success);
        let paid = paid.map(|receipt| {
            let transaction = &receipt.transaction;
            if self.wanted.announced {
                let text = format!("paid {}, transaction {transaction}", self.amount);
                self.api.settings.progress(&text);
            }
            self.amount
        });
        Bought {
            status: answer.status,
            body: answer.body,
            text: answer.text,
            paid,
            receipt: answer.receipt,
        }
    }
}

/// Passes events on until the result.
async fn follow(
    mut response: Response,
    listen: &mut (dyn FnMut(&Event) + Send),
) -> Result<PaidAnswer, String> {
    let mut parser = EventParser::default();
    loop {
        let chunk = response.chunk().await.map_err(|_| "the answer broke off")?;
        let chunk = chunk.ok_or("the answer ended before its result")?;
        for event in parser.push(&chunk) {
            if event.name != "result" {
                listen(&event);
                continue;
            }
            let status = event.data["status"]
                .as_u64()
                .and_then(|s| u16::try_from(s).ok());
            return Ok(PaidAnswer {
                status: status.ok_or("the result has no status")?,
                body: event.data["body"].clone(),
                text: None,
                receipt: serde_json::from_value(event.data["receipt"].clone()).ok(),
                retry_after: None,
            });
        }
    }
}
