//! One of the two compared stores, with its own service.

use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use x402::purchase::Chosen;

use crate::{
    FAST,
    customer::{Customer, price_of_lease, price_of_list},
    load,
    process::ProcessorTimes,
    stage::BenchTestbed,
};

/// The key of the wallet to which `fill` gives the most rows: public development account 2.
const LARGE: &str = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

pub struct Side {
    pub stage: BenchTestbed,
    /// The process of the database, if it is a server.
    server: Option<u32>,
    /// The wallet with 20,000 payments in c; it has one live lease, and then those of the rounds.
    pub large: Customer,
    /// A wallet that only buys leases in the rounds.
    pub small: Customer,
    /// The large wallet's session.
    pub token: String,
    /// The id of its live lease.
    pub lease_id: String,
    pub price_of_list: Chosen,
    pub price_of_lease: Chosen,
}

/// The cost of a number of requests.
#[derive(Clone, Copy)]
pub struct Spent {
    /// Processor time of the service and of the database.
    pub work: Duration,
    /// From the first request to the last answer.
    pub clock: Duration,
}

impl Side {
    pub async fn on(store: &str, server: Option<u32>) -> Self {
        let stage = BenchTestbed::with_database(FAST, store).await;
        let large = Customer::with_key(&stage, LARGE.parse().unwrap()).await;
        large.lease(&stage).await;
        let token = large.sign_in(&stage).await;
        let mut side = Self {
            server,
            small: Customer::new(&stage).await,
            price_of_list: price_of_list(&stage).await,
            price_of_lease: price_of_lease(&stage).await,
            lease_id: String::new(),
            large,
            token,
            stage,
        };
        // Checks that the wallet has the payments that the store was filled with, so that both
        // sides show equally much.
        let count = |body: &Value, list: &str| body[list].as_array().unwrap().len();
        assert_eq!(
            count(&side.read("/payments?limit=200").await, "payments"),
            200
        );
        assert_eq!(count(&side.read("/leases?all=true").await, "leases"), 51);
        let live = side.read("/leases").await;
        side.lease_id = live["leases"][0]["leaseId"].as_str().unwrap().to_owned();
        side
    }

    async fn read(&self, path: &str) -> Value {
        let request = self.stage.http.get(format!("{}{path}", self.stage.url()));
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Sends each lane's requests one after the other, and reads all answers.
    pub async fn ask(&self, lanes: Vec<Vec<Bytes>>, status: u16) -> Spent {
        let server_times = || self.server.map(ProcessorTimes::of_family);
        let before = server_times();
        let cost = load::apply(&self.stage, lanes).await;
        let other = cost.answers.iter().find(|answer| **answer != status);
        assert_eq!(other, None, "instead of {status}");
        let of_server = server_times().zip(before);
        let of_server = of_server.map(|(now, then)| now.of_known_since(&then));
        Spent {
            work: cost.processor + of_server.unwrap_or_default(),
            clock: cost.wall,
        }
    }
}
