//! The compared routes, and the requests to them.

use axum::body::Bytes;

use super::side::Side;
use crate::customer::Customer;

/// Concurrent requests, each on its own connection.
const AT_ONCE: usize = 16;
/// Concurrent leases of one wallet, within its limit of leases in the making.
const LEASES_AT_ONCE: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Ready,
    Stats,
    OwnStats,
    Metrics,
    Leases,
    AllLeases,
    Lease,
    Payments,
    SignIn,
    Challenge,
    ListOfNewWallet,
    ListOfLargeWallet,
    LeaseOfSmallWallet,
    LeaseOfLargeWallet,
}

impl Route {
    /// Leases come last, because they add leases that other routes show.
    pub const ALL: &[Self] = &[
        Self::Ready,
        Self::Stats,
        Self::OwnStats,
        Self::Metrics,
        Self::Leases,
        Self::AllLeases,
        Self::Lease,
        Self::Payments,
        Self::SignIn,
        Self::Challenge,
        Self::ListOfNewWallet,
        Self::ListOfLargeWallet,
        Self::LeaseOfSmallWallet,
        Self::LeaseOfLargeWallet,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "GET /ready",
            Self::Stats => "GET /stats/lxc",
            Self::OwnStats => "GET /stats/lxc, signed in",
            Self::Metrics => "GET /metrics",
            Self::Leases => "GET /leases",
            Self::AllLeases => "GET /leases?all=true",
            Self::Lease => "GET /leases/{id}",
            Self::Payments => "GET /payments?limit=200",
            Self::SignIn => "POST /session/challenge",
            Self::Challenge => "402 challenges",
            Self::ListOfNewWallet => "paid list, new wallets",
            Self::ListOfLargeWallet => "paid list, wallet with 20,000 payments",
            Self::LeaseOfSmallWallet => "lease, wallet with few payments",
            Self::LeaseOfLargeWallet => "lease, wallet with 20,000 payments",
        }
    }

    pub fn is_lease(self) -> bool {
        matches!(self, Self::LeaseOfSmallWallet | Self::LeaseOfLargeWallet)
    }

    pub fn status(self) -> u16 {
        if self == Self::Challenge { 402 } else { 200 }
    }

    /// At least as many requests as asked for, equally many in each lane.
    pub async fn requests(self, side: &Side, count: usize) -> Vec<Vec<Bytes>> {
        let each = count.div_ceil(AT_ONCE);
        let request = match self {
            Self::ListOfNewWallet => return lists_of_new_wallets(side, each).await,
            Self::ListOfLargeWallet => {
                let (wallet, price) = (&side.large, &side.price_of_list);
                wallet.visit_faucet(&side.stage).await;
                let signed = wallet.signed_lists(&side.stage, price, each * AT_ONCE);
                return lanes(&signed, each);
            }
            Self::LeaseOfSmallWallet => return leases(side, &side.small, count).await,
            Self::LeaseOfLargeWallet => return leases(side, &side.large, count).await,
            Self::Ready => get(side, "/ready", false),
            Self::Stats => get(side, "/stats/lxc", false),
            Self::OwnStats => get(side, "/stats/lxc", true),
            Self::Metrics => get(side, "/metrics", false),
            Self::Leases => get(side, "/leases", true),
            Self::AllLeases => get(side, "/leases?all=true", true),
            Self::Lease => get(side, &format!("/leases/{}", side.lease_id), true),
            Self::Payments => get(side, "/payments?limit=200", true),
            Self::SignIn => {
                let body = r#"{"address": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"}"#;
                post(side, "/session/challenge", body)
            }
            Self::Challenge => {
                let body = r#"{"runtimeMinutes": 60, "memoryMB": 64, "diskGB": 1}"#;
                post(side, "/lease/container", body)
            }
        };
        vec![vec![request; each]; AT_ONCE]
    }
}

/// One wallet for each lane.
pub async fn lists_of_new_wallets(side: &Side, each: usize) -> Vec<Vec<Bytes>> {
    let mut lanes = Vec::new();
    for _ in 0..AT_ONCE {
        let customer = Customer::new(&side.stage).await;
        lanes.push(customer.signed_lists(&side.stage, &side.price_of_list, each));
    }
    lanes
}

async fn leases(side: &Side, wallet: &Customer, count: usize) -> Vec<Vec<Bytes>> {
    let each = count.div_ceil(LEASES_AT_ONCE);
    wallet.visit_faucet(&side.stage).await;
    let price = &side.price_of_lease;
    let signed = wallet.signed_leases(&side.stage, price, each * LEASES_AT_ONCE);
    lanes(&signed, each)
}

fn lanes(requests: &[Bytes], each: usize) -> Vec<Vec<Bytes>> {
    requests.chunks(each).map(<[Bytes]>::to_vec).collect()
}

/// With the session of the wallet with 20,000 payments, or without a session.
fn get(side: &Side, path: &str, signed_in: bool) -> Bytes {
    let session = match signed_in {
        true => format!("authorization: Bearer {}\r\n", side.token),
        false => String::new(),
    };
    let host = &side.stage.address;
    Bytes::from(format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\n{session}\r\n"
    ))
}

fn post(side: &Side, path: &str, body: &str) -> Bytes {
    let (host, length) = (&side.stage.address, body.len());
    Bytes::from(format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    ))
}
