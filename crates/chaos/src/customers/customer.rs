//! One customer: leases, renews, runs commands, lists, opens consoles, stops and destroys; repeats
//! what was not answered with the same signed bytes, sends copies, gives up, and sometimes cheats.

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
    customers::client::{Counter, Wish, wallet},
    customers::purchases::{Order, Told},
    random::Dice,
    world::ledger::{Kind, Ledger, Transfer},
};

/// What all customers are told by the campaign.
#[derive(Clone)]
pub struct Town {
    /// Where they buy.
    pub counter: Counter,
    /// Their money.
    pub ledger: Arc<Ledger>,
    /// Where commands leave their marks.
    pub marks: PathBuf,
    /// No more orders.
    pub closed: Arc<AtomicBool>,
}

/// What a customer does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Buy(Order),
    /// Several leases at once, at all replicas: more than may be in the making.
    Rush,
    Destroy,
    Stop,
    Start,
    Look,
}

/// Leases that are asked for at once.
const RUSH: usize = 7;

const DEEDS: [(Deed, u32); 10] = [
    (Deed::Buy(Order::Lease), 22),
    (Deed::Rush, 4),
    (Deed::Buy(Order::Exec), 24),
    (Deed::Buy(Order::Renew), 12),
    (Deed::Buy(Order::Console), 8),
    (Deed::Buy(Order::List), 8),
    (Deed::Destroy, 7),
    (Deed::Stop, 4),
    (Deed::Start, 4),
    (Deed::Look, 5),
];

struct Customer {
    town: Town,
    dice: Dice,
    wallet: PrivateKeySigner,
    session: Option<String>,
    /// Number and lease of what was leased.
    leases: Vec<(u64, String)>,
}

/// Buys until the town closes.
pub async fn live(town: Town, seed: u64, number: usize) {
    let name = format!("customer {number}");
    let wallet = wallet(seed, &name);
    // Some have hardly anything.
    let money = if number % 7 == 6 { 4_000 } else { 100_000_000 };
    town.ledger.fund(wallet.address(), money);
    let mut customer = Customer {
        dice: Dice::of(seed, &name),
        town,
        wallet,
        session: None,
        leases: Vec::new(),
    };
    while !customer.town.closed.load(Ordering::SeqCst) {
        let pause = customer.dice.between(20, 500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        customer.act().await;
    }
}

impl Customer {
    fn replica(&mut self) -> usize {
        usize::try_from(self.dice.between(0, 99)).unwrap_or(0)
    }

    async fn act(&mut self) {
        let mut deed = self.dice.weighted(&DEEDS);
        if self.leases.is_empty() && deed != Deed::Look {
            deed = Deed::Buy(Order::Lease);
        }
        if deed == Deed::Buy(Order::Lease) && self.leases.len() >= 4 {
            deed = Deed::Destroy;
        }
        match deed {
            Deed::Buy(order) => self.buy(order).await,
            Deed::Rush => self.rush().await,
            Deed::Destroy => self.manage(Method::DELETE, "", "destroy").await,
            Deed::Stop => self.manage(Method::POST, "/stop", "stop").await,
            Deed::Start => self.manage(Method::POST, "/start", "start").await,
            Deed::Look => self.look().await,
        }
    }

    fn one_of_mine(&mut self) -> (u64, String) {
        let at = self.dice.between(0, self.leases.len() as u64 - 1);
        self.leases[usize::try_from(at).unwrap_or(0)].clone()
    }

    fn wish(&mut self, order: Order) -> Wish {
        let wish = |method, path, body| Wish {
            order,
            method,
            path,
            body,
            mark: None,
        };
        match order {
            Order::Lease => {
                let minutes = *self.dice.pick(&[5, 5, 10, 20, 60, 300]);
                let body = json!({"runtimeMinutes": minutes, "memoryMB": 512, "diskGB": 4});
                wish(Method::POST, "/lease/container".into(), Some(body))
            }
            Order::List => wish(Method::GET, "/management/list".into(), None),
            Order::Renew => {
                let (ctid, lease) = self.one_of_mine();
                let minutes = *self.dice.pick(&[5, 10, 30]);
                let path = format!("/lease/{ctid}/renew?leaseId={lease}");
                wish(Method::POST, path, Some(json!({"runtimeMinutes": minutes})))
            }
            Order::Console => {
                let (ctid, lease) = self.one_of_mine();
                let path = format!("/management/console/{ctid}?leaseId={lease}");
                wish(Method::POST, path, None)
            }
            Order::Exec => {
                let (ctid, lease) = self.one_of_mine();
                let mark = self.dice.bytes().to_string();
                let path = format!("/management/exec/{ctid}?leaseId={lease}");
                let command = format!("echo {mark} >> {}; echo done", self.town.marks.display());
                let body = json!({ "command": command });
                Wish {
                    mark: Some(mark),
                    ..wish(Method::POST, path, Some(body))
                }
            }
        }
    }

    async fn buy(&mut self, order: Order) {
        let wish = self.wish(order);
        let counter = self.town.counter.clone();
        let number = match counter.sign(&self.wallet, wish, &mut self.dice).await {
            Ok(number) => number,
            Err(why) => {
                let text = why.to_string();
                let gone = text.starts_with("410") || text.starts_with("404");
                counter
                    .journal
                    .count(order.name(), &format!("no price ({})", short(&text)));
                if gone && !self.leases.is_empty() {
                    self.leases.remove(0);
                }
                return;
            }
        };
        let cheats = self.dice.percent(3);
        let later = self.dice.between(0, 1_500);
        if cheats {
            self.cheat(number, later);
        }
        let patience = Duration::from_millis(self.dice.between(400, 9_000));
        let copies = if self.dice.percent(20) {
            self.dice.between(2, 4)
        } else {
            1
        };
        let first = self.replica();
        let sent = (0..usize::try_from(copies).unwrap_or(1))
            .map(|copy| counter.send(number, first + copy, patience));
        let mut answers = join_all(sent).await;
        let persistence = self.dice.between(0, 7);
        for _ in 0..persistence {
            if answers.iter().any(Told::is_final) || self.town.closed.load(Ordering::SeqCst) {
                break;
            }
            let pause = self.dice.between(150, 1_500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let replica = self.replica();
            answers.push(counter.send(number, replica, patience * 2).await);
        }
        if !answers.iter().any(Told::is_final) {
            counter
                .journal
                .count(order.name(), "given up by the client");
        } else if self.dice.percent(12) {
            // Once more, after everything is over.
            let replica = self.replica();
            answers.push(counter.send(number, replica, patience * 2).await);
        }
        if answers.iter().any(|told| told.code == "insufficient_funds") {
            // Who has no money, or was told so, does not try again at once.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let done = answers.iter().find(|told| told.status == 200);
        match (order, done) {
            (Order::Lease, Some(told)) => self.keep(told),
            (Order::Console, Some(told)) => self.open(told.body.clone()).await,
            _ => {}
        }
    }

    /// Leases that were refused for the bounds on a wallet; they are not asked for again.
    async fn rush(&mut self) {
        let counter = self.town.counter.clone();
        let mut numbers = Vec::new();
        for _ in 0..RUSH {
            let wish = self.wish(Order::Lease);
            if let Ok(number) = counter.sign(&self.wallet, wish, &mut self.dice).await {
                numbers.push(number);
            }
        }
        let patience = Duration::from_millis(self.dice.between(2_000, 9_000));
        let first = self.replica();
        let places = (first..).zip(numbers);
        let sent = places.map(|(replica, number)| counter.send(number, replica, patience));
        for told in join_all(sent).await {
            self.keep(&told);
        }
    }

    /// Records a lease for later calls.
    fn keep(&mut self, told: &Told) {
        let (ctid, lease) = (&told.body["ctid"], &told.body["leaseId"]);
        if told.status == 200
            && let (Some(ctid), Some(lease)) = (ctid.as_u64(), lease.as_str())
        {
            let text = format!("client: leased as {ctid}");
            self.town.counter.journal.note(lease, text);
            self.leases.push((ctid, lease.to_owned()));
        }
    }

    /// Spends the nonce on something else, or takes the authorization back, perhaps in the middle.
    fn cheat(&mut self, number: usize, later: u64) {
        let counter = self.town.counter.clone();
        let purchase = counter.book.get(number);
        let ledger = Arc::clone(&self.town.ledger);
        let kind = if self.dice.percent(50) {
            Kind::Canceled
        } else {
            Kind::Authorized
        };
        let from = purchase.payer;
        let wanted = Transfer::wanted(kind, from, from, 1, purchase.nonce, purchase.valid_before);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(later)).await;
            let done = ledger.send(&wanted, 0, 0);
            if done.is_ok() {
                let text = format!("payer: spends the nonce otherwise ({kind:?})");
                counter.journal.fault(&purchase.nonce.to_string(), &text);
            }
        });
    }

    /// Uses a console for a moment.
    async fn open(&mut self, body: Value) {
        let replica = self.replica() % self.town.counter.urls.len();
        let url = self.town.counter.urls[replica].replace("http://", "ws://");
        let ticket = body["ticket"].as_str().unwrap_or_default().to_owned();
        let stay = Duration::from_millis(self.dice.between(50, 900));
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
        self.town.counter.journal.count("console", outcome);
    }

    async fn session(&mut self) -> Option<String> {
        if self.session.is_none() {
            let replica = self.replica();
            self.session = self.town.counter.sign_in(&self.wallet, replica).await;
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
        let counter = &self.town.counter;
        counter
            .journal
            .note(&lease, format!("client: asks to {what}"));
        let told = counter.at(replica, method, &path, Some(&session)).await;
        counter
            .journal
            .count(what, &format!("{} {}", told.status, told.code));
        counter.journal.note(
            &lease,
            format!("client: {what} is answered {}", told.status),
        );
        if told.status == 401 {
            self.session = None;
        }
        if what == "destroy" && told.status < 300 && told.status > 0 {
            self.leases.retain(|(_, known)| *known != lease);
        }
    }

    /// Looks at what there is, and finds leases that were never answered.
    async fn look(&mut self) {
        let Some(session) = self.session().await else {
            return;
        };
        let replica = self.replica();
        let counter = self.town.counter.clone();
        let told = counter
            .at(replica, Method::GET, "/leases", Some(&session))
            .await;
        counter
            .journal
            .count("look", &format!("{} {}", told.status, told.code));
        if told.status == 401 {
            self.session = None;
        }
        let Some(found) = told.body["leases"].as_array() else {
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

fn short(text: &str) -> String {
    let mut words = text.split([' ', ':']);
    let first = words.next().unwrap_or_default();
    match first.parse::<u16>() {
        Ok(_) => text.to_owned(),
        Err(_) => "no answer".into(),
    }
}
