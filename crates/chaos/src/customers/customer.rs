//! One customer: leases, renews, runs commands, lists, opens consoles, stops and destroys. It
//! repeats a request without a response with the same signed bytes, sends copies, gives up, and
//! sometimes cheats.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{
    customers::client::{ApiClient, PurchaseRequest, wallet},
    customers::purchases::{ClientResponse, PurchaseKind},
    random::SeededRandom,
    world::ledger::{Ledger, Transfer, TransferKind},
};

/// What all customers share.
#[derive(Clone)]
pub struct CustomerContext {
    /// Their HTTP client.
    pub client: ApiClient,
    /// The ledger with their money.
    pub ledger: Arc<Ledger>,
    /// The file in which commands leave their marks.
    pub marks: PathBuf,
    /// Whether customers stop buying.
    pub closed: Arc<AtomicBool>,
}

/// What a customer does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CustomerAction {
    Buy(PurchaseKind),
    /// Several leases at once, at all replicas: more than may be in creation.
    Rush,
    Destroy,
    Stop,
    Start,
    ReadLeases,
}

/// Leases that one rush asks for at once.
const RUSH_LEASES: usize = 7;

const ACTIONS: [(CustomerAction, u32); 10] = [
    (CustomerAction::Buy(PurchaseKind::Lease), 22),
    (CustomerAction::Rush, 4),
    (CustomerAction::Buy(PurchaseKind::Exec), 24),
    (CustomerAction::Buy(PurchaseKind::Renew), 12),
    (CustomerAction::Buy(PurchaseKind::Console), 8),
    (CustomerAction::Buy(PurchaseKind::List), 8),
    (CustomerAction::Destroy, 7),
    (CustomerAction::Stop, 4),
    (CustomerAction::Start, 4),
    (CustomerAction::ReadLeases, 5),
];

struct Customer {
    context: CustomerContext,
    random: SeededRandom,
    wallet: PrivateKeySigner,
    session: Option<String>,
    /// The vmid and the id of each lease.
    leases: Vec<(u64, String)>,
}

/// Performs random actions until the campaign stops customers.
pub async fn run_customer(context: CustomerContext, seed: u64, number: usize) {
    let name = format!("customer {number}");
    let wallet = wallet(seed, &name);
    // One customer in seven has hardly any money.
    let money = if number % 7 == 6 { 4_000 } else { 100_000_000 };
    context.ledger.fund(wallet.address(), money);
    let mut customer = Customer {
        random: SeededRandom::for_actor(seed, &name),
        context,
        wallet,
        session: None,
        leases: Vec::new(),
    };
    while !customer.context.closed.load(Ordering::SeqCst) {
        let pause = customer.random.between(20, 500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        customer.perform_action().await;
    }
}

impl Customer {
    fn replica(&mut self) -> usize {
        usize::try_from(self.random.between(0, 99)).unwrap_or(0)
    }

    async fn perform_action(&mut self) {
        let mut action = self.random.weighted(&ACTIONS);
        if self.leases.is_empty() && action != CustomerAction::ReadLeases {
            action = CustomerAction::Buy(PurchaseKind::Lease);
        }
        if action == CustomerAction::Buy(PurchaseKind::Lease) && self.leases.len() >= 4 {
            action = CustomerAction::Destroy;
        }
        match action {
            CustomerAction::Buy(kind) => self.buy(kind).await,
            CustomerAction::Rush => self.rush().await,
            CustomerAction::Destroy => self.manage(Method::DELETE, "", "destroy").await,
            CustomerAction::Stop => self.manage(Method::POST, "/stop", "stop").await,
            CustomerAction::Start => self.manage(Method::POST, "/start", "start").await,
            CustomerAction::ReadLeases => self.read_leases().await,
        }
    }

    fn one_of_mine(&mut self) -> (u64, String) {
        let at = self.random.between(0, self.leases.len() as u64 - 1);
        self.leases[usize::try_from(at).unwrap_or(0)].clone()
    }

    fn request(&mut self, kind: PurchaseKind) -> PurchaseRequest {
        let request = |method, path, body| PurchaseRequest {
            kind,
            method,
            path,
            body,
            mark: None,
        };
        match kind {
            PurchaseKind::Lease => {
                let minutes = *self.random.pick(&[5, 5, 10, 20, 60, 300]);
                let body = json!({"runtimeMinutes": minutes, "memoryMB": 512, "diskGB": 4});
                request(Method::POST, "/lease/container".into(), Some(body))
            }
            PurchaseKind::List => request(Method::GET, "/management/list".into(), None),
            PurchaseKind::Renew => {
                let (ctid, lease) = self.one_of_mine();
                let minutes = *self.random.pick(&[5, 10, 30]);
                let path = format!("/lease/{ctid}/renew?leaseId={lease}");
                request(Method::POST, path, Some(json!({"runtimeMinutes": minutes})))
            }
            PurchaseKind::Console => {
                let (ctid, lease) = self.one_of_mine();
                let path = format!("/management/console/{ctid}?leaseId={lease}");
                request(Method::POST, path, None)
            }
            PurchaseKind::Exec => {
                let (ctid, lease) = self.one_of_mine();
                let mark = self.random.bytes().to_string();
                let path = format!("/management/exec/{ctid}?leaseId={lease}");
                let command = format!("echo {mark} >> {}; echo done", self.context.marks.display());
                let body = json!({ "command": command });
                PurchaseRequest {
                    mark: Some(mark),
                    ..request(Method::POST, path, Some(body))
                }
            }
        }
    }

    async fn buy(&mut self, kind: PurchaseKind) {
        let request = self.request(kind);
        let client = self.context.client.clone();
        let number = match client.sign(&self.wallet, request, &mut self.random).await {
            Ok(number) => number,
            Err(why) => {
                let text = why.to_string();
                let gone = text.starts_with("410") || text.starts_with("404");
                client
                    .journal
                    .count(kind.name(), &format!("no price ({})", short_error(&text)));
                if gone && !self.leases.is_empty() {
                    self.leases.remove(0);
                }
                return;
            }
        };
        let cheats = self.random.percent(3);
        let later = self.random.between(0, 1_500);
        if cheats {
            self.spend_nonce_elsewhere(number, later);
        }
        let timeout = Duration::from_millis(self.random.between(400, 9_000));
        let copies = if self.random.percent(20) {
            self.random.between(2, 4)
        } else {
            1
        };
        let first = self.replica();
        let sent = (0..usize::try_from(copies).unwrap_or(1))
            .map(|copy| client.send(number, first + copy, timeout));
        let mut answers = join_all(sent).await;
        let retries = self.random.between(0, 7);
        for _ in 0..retries {
            if answers.iter().any(ClientResponse::is_final)
                || self.context.closed.load(Ordering::SeqCst)
            {
                break;
            }
            let pause = self.random.between(150, 1_500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let replica = self.replica();
            answers.push(client.send(number, replica, timeout * 2).await);
        }
        if !answers.iter().any(ClientResponse::is_final) {
            client.journal.count(kind.name(), "given up by the client");
        } else if self.random.percent(12) {
            // A replay after the final response.
            let replica = self.replica();
            answers.push(client.send(number, replica, timeout * 2).await);
        }
        if answers
            .iter()
            .any(|response| response.code == "insufficient_funds")
        {
            // After a refusal for a low balance, a customer waits before the next purchase.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let done = answers.iter().find(|response| response.status == 200);
        match (kind, done) {
            (PurchaseKind::Lease, Some(response)) => self.remember_lease(response),
            (PurchaseKind::Console, Some(response)) => {
                self.use_console(response.body.clone()).await
            }
            _ => {}
        }
    }

    /// Asks for more leases at once than a wallet may have. Refused ones are not asked for again.
    async fn rush(&mut self) {
        let client = self.context.client.clone();
        let mut numbers = Vec::new();
        for _ in 0..RUSH_LEASES {
            let request = self.request(PurchaseKind::Lease);
            if let Ok(number) = client.sign(&self.wallet, request, &mut self.random).await {
                numbers.push(number);
            }
        }
        let timeout = Duration::from_millis(self.random.between(2_000, 9_000));
        let first = self.replica();
        let places = (first..).zip(numbers);
        let sent = places.map(|(replica, number)| client.send(number, replica, timeout));
        for response in join_all(sent).await {
            self.remember_lease(&response);
        }
    }

    /// Remembers a lease for later actions.
    fn remember_lease(&mut self, response: &ClientResponse) {
        let (ctid, lease) = (&response.body["ctid"], &response.body["leaseId"]);
        if response.status == 200
            && let (Some(ctid), Some(lease)) = (ctid.as_u64(), lease.as_str())
        {
            let text = format!("client: leased as {ctid}");
            self.context.client.journal.record(lease, text);
            self.leases.push((ctid, lease.to_owned()));
        }
    }

    /// Spends the nonce on another transfer, or cancels the authorization, perhaps during the
    /// settlement.
    fn spend_nonce_elsewhere(&mut self, number: usize, later: u64) {
        let client = self.context.client.clone();
        let purchase = client.purchases.get(number);
        let ledger = Arc::clone(&self.context.ledger);
        let kind = if self.random.percent(50) {
            TransferKind::Canceled
        } else {
            TransferKind::Authorized
        };
        let from = purchase.payer;
        let wanted = Transfer::unsent(kind, from, from, 1, purchase.nonce, purchase.valid_before);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(later)).await;
            let done = ledger.send(&wanted, 0, 0);
            if done.is_ok() {
                let text = format!("payer: spends the nonce otherwise ({kind:?})");
                client.journal.fault(&purchase.nonce.to_string(), &text);
            }
        });
    }

    /// Uses a console for a moment.
    async fn use_console(&mut self, body: Value) {
        let replica = self.replica() % self.context.client.urls.len();
        let url = self.context.client.urls[replica].replace("http://", "ws://");
        let ticket = body["ticket"].as_str().unwrap_or_default().to_owned();
        let stay = Duration::from_millis(self.random.between(50, 900));
        let visit = async {
            let (mut stream, _) = connect_async(format!("{url}/console/ws")).await.ok()?;
            let hello = json!({"ticket": ticket, "resize": [80, 24]}).to_string();
            stream.send(Message::text(hello)).await.ok()?;
            let seen = stream.next().await?.ok()?;
            stream.send(Message::binary(&b"ls\r"[..])).await.ok()?;
            tokio::time::sleep(stay).await;
            Some(seen)
        };
        let seen = tokio::time::timeout(Duration::from_secs(5), visit).await;
        let outcome = if matches!(seen, Ok(Some(_))) {
            "opened"
        } else {
            "not opened"
        };
        self.context.client.journal.count("console", outcome);
    }

    async fn session(&mut self) -> Option<String> {
        if self.session.is_none() {
            let replica = self.replica();
            self.session = self.context.client.sign_in(&self.wallet, replica).await;
        }
        self.session.clone()
    }

    async fn manage(&mut self, method: Method, tail: &str, what: &str) {
        let Some(session) = self.session().await else {
            return;
        };
        let (ctid, lease) = self.one_of_mine();
        let path = format!("/lease/{ctid}{tail}?leaseId={lease}");
        let replica = self.replica();
        let client = &self.context.client;
        client
            .journal
            .record(&lease, format!("client: asks to {what}"));
        let response = client
            .send_to_replica(replica, method, &path, Some(&session))
            .await;
        client
            .journal
            .count(what, &format!("{} {}", response.status, response.code));
        client.journal.record(
            &lease,
            format!("client: {what} is answered {}", response.status),
        );
        if response.status == 401 {
            self.session = None;
        }
        if what == "destroy" && response.status < 300 && response.status > 0 {
            self.leases.retain(|(_, known)| *known != lease);
        }
    }

    /// Reads the wallet's leases, and so finds those whose response was lost.
    async fn read_leases(&mut self) {
        let Some(session) = self.session().await else {
            return;
        };
        let replica = self.replica();
        let client = self.context.client.clone();
        let response = client
            .send_to_replica(replica, Method::GET, "/leases", Some(&session))
            .await;
        client
            .journal
            .count("look", &format!("{} {}", response.status, response.code));
        if response.status == 401 {
            self.session = None;
        }
        let Some(found) = response.body["leases"].as_array() else {
            return;
        };
        let live = |lease: &&Value| lease["status"] == "active" || lease["status"] == "stopped";
        self.leases = found
            .iter()
            .filter(live)
            .filter_map(|lease| Some((lease["ctid"].as_u64()?, lease["leaseId"].as_str()?.into())))
            .collect();
    }
}

fn short_error(text: &str) -> String {
    let mut words = text.split([' ', ':']);
    let first = words.next().unwrap_or_default();
    match first.parse::<u16>() {
        Ok(_) => text.to_owned(),
        Err(_) => "no answer".into(),
    }
}
