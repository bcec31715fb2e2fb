//! Examples of bodies: values of the routes' own types, so that an example has only fields that
//! exist. The bodies of a paid operation stand in its own file.

use std::collections::BTreeMap;

use api_types::{
    Catalog, ContainerStats, FaucetRequest, FaucetResponse, LeaseRequest, LeaseStatus, LeaseView,
    Limits, ListResponse, LxcStats, NodeStats, NodeUsage, PaymentReceipt, PaymentState,
    PaymentView, PaymentsResponse, Price, QuoteResponse, Secret, SessionChallenge,
    SessionChallengeRequest, SessionRequest, SessionResponse, Size, Tariff, Template, Timestamp,
    TrafficStep, TrafficUsage, UsageNow, UsagePoint, UsageResponse, UsageTimeframe, Usdc, price,
};

use crate::{ids::Wallet, lease::view, store::Lease};

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const WALLET: &str = Wallet::EXAMPLE;
const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const ASSET: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const NETWORK: &str = "eip155:84532";
pub(crate) const LEASE: &str = "lease_5b0c9e1f7a32";
const TRANSACTION: &str = "0x4e3a3754410177e6937ef1f84bba68ea139e8d1a2258c5f85db9f1cd715a1bdd";

fn size() -> Size {
    lease_request().size()
}

pub(crate) fn price_of(minutes: u32) -> Price {
    price::price_renew(&Tariff::default(), size(), minutes)
        .expect("the default rates give a small lease a price")
}

pub(crate) fn receipt() -> PaymentReceipt {
    PaymentReceipt {
        transaction: TRANSACTION.into(),
        network: NETWORK.into(),
    }
}

pub(crate) fn lease_request() -> LeaseRequest {
    LeaseRequest {
        hostname: Some("box".into()),
        ..LeaseRequest::default()
    }
}

pub(crate) fn accepted() -> BTreeMap<String, String> {
    [
        ("status", "accepted"),
        ("statusUrl", "/payments"),
        ("message", "The request is being worked on."),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(crate) fn quote() -> QuoteResponse {
    QuoteResponse {
        acceptable: true,
        price: Some(price_of(60)),
        network: NETWORK.into(),
        asset: ASSET.into(),
        valid_until: Timestamp(NOW + 300),
        included_traffic: Some(20 << 30),
        field_errors: Vec::new(),
        refusals: Vec::new(),
    }
}

pub(crate) fn lease_view() -> LeaseView {
    let lease = Lease::example(NOW.cast_signed());
    view::running(&lease, price_of(60).total.0)
}

pub(crate) fn destroyed() -> LeaseView {
    LeaseView {
        status: LeaseStatus::Destroyed,
        live_status: Some("destroyed".into()),
        destroys_at: None,
        ..lease_view()
    }
}

/// A lease whose time runs, with its container in the state that the owner asked for, or not yet.
pub(crate) fn switched(state: &str) -> LeaseView {
    LeaseView {
        live_status: Some(state.into()),
        ..lease_view()
    }
}

pub(crate) fn list() -> ListResponse {
    ListResponse {
        leases: vec![lease_view()],
        next: None,
    }
}

pub(crate) fn payments() -> PaymentsResponse {
    PaymentsResponse {
        payments: vec![PaymentView {
            payment_id: "pay_3f9a6c2e81b04d7755aa".into(),
            state: PaymentState::Settled,
            operation: "POST /lease/container".into(),
            amount: price_of(60).total,
            network: NETWORK.into(),
            asset: ASSET.into(),
            payer: WALLET.into(),
            pay_to: PAYEE.into(),
            nonce: format!("0x{}", "5f".repeat(32)),
            transaction: Some(TRANSACTION.into()),
            explorer_url: Some(format!("https://sepolia.basescan.org/tx/{TRANSACTION}")),
            owed: None,
            lease_id: Some(LEASE.into()),
            reason: None,
            created_at: Timestamp(NOW),
            settled_at: Some(Timestamp(NOW + 20)),
        }],
        next: None,
    }
}

pub(crate) fn challenge_request() -> SessionChallengeRequest {
    SessionChallengeRequest {
        address: WALLET.into(),
        chain_id: Some(84532),
    }
}

pub(crate) fn challenge() -> SessionChallenge {
    SessionChallenge {
        message: format!(
            "lease.example.org wants you to sign in with your Ethereum account:\n{WALLET}\n\n…"
        ),
        nonce: "d2c1f4a58b3e96707a1b2c3d4e5f6071".into(),
        expires_at: Timestamp(NOW + 300),
    }
}

pub(crate) fn session_request() -> SessionRequest {
    SessionRequest {
        message: challenge().message,
        signature: Secret::new(format!("0x{}1b", "ab".repeat(64))),
    }
}

pub(crate) fn session() -> SessionResponse {
    SessionResponse {
        token: Secret::new("c0ffee".repeat(10)),
        token_type: "Bearer".into(),
        wallet: WALLET.into(),
        expires_at: Timestamp(NOW + 86_400),
    }
}

pub(crate) fn catalog() -> Catalog {
    Catalog {
        limits: Limits::default(),
        rates: Tariff::default(),
        templates: vec![Template {
            name: "debian-12-standard".into(),
            description: "debian-12-standard 12.7-1 amd64".into(),
            default: true,
            capacity_left: None,
        }],
        network: NETWORK.into(),
        asset: ASSET.into(),
        pay_to: PAYEE.into(),
        capacity_left: None,
        grace_minutes: 1440,
        isolation_notice: None,
        traffic_gib_per_hour: Some(20),
        abuse_contact: Some("abuse@example.org".into()),
        simulated: Vec::new(),
        simulator_notice: None,
    }
}

pub(crate) fn node_stats() -> NodeStats {
    NodeStats {
        nodes: vec![NodeUsage {
            node: "pve".into(),
            online: true,
            cpu: Some(0.12),
            cores: Some(16),
            memory_used: Some(12 << 30),
            memory_total: Some(64 << 30),
            disk_used: Some(20 << 30),
            disk_total: Some(100 << 30),
            uptime_seconds: Some(864_000),
        }],
    }
}

pub(crate) fn lxc_stats() -> LxcStats {
    LxcStats {
        total: 3,
        running: 2,
        containers: vec![ContainerStats {
            ctid: 40200,
            hostname: "box".into(),
            node: "pve".into(),
            status: "running".into(),
            cpu: 0.03,
            memory_used: 80 << 20,
            memory_total: 512 << 20,
            disk_used: 700 << 20,
            disk_total: 8 << 30,
            network_in: 120_000,
            network_out: 45_000,
            uptime_seconds: 600,
        }],
    }
}

pub(crate) fn usage() -> UsageResponse {
    UsageResponse {
        lease_id: LEASE.into(),
        ctid: 40200,
        now: Some(UsageNow {
            status: "running".into(),
            cpu: 0.03,
            memory_used: 80 << 20,
            memory_total: 512 << 20,
            disk_used: 700 << 20,
            disk_total: 8 << 30,
            uptime_seconds: 600,
        }),
        traffic: TrafficUsage {
            sent: 45_000,
            received: 120_000,
            included: Some(20 << 30),
            step: TrafficStep::Full,
        },
        timeframe: UsageTimeframe::Hour,
        history: vec![UsagePoint {
            time: Timestamp(NOW + 60),
            cpu: Some(0.02),
            memory_used: Some(83_886_080.0),
            disk_used: Some(734_003_200.0),
            received_per_second: Some(200.0),
            sent_per_second: Some(75.0),
        }],
    }
}

pub(crate) fn faucet_request() -> FaucetRequest {
    FaucetRequest {
        address: WALLET.into(),
    }
}

pub(crate) fn faucet() -> FaucetResponse {
    FaucetResponse {
        balance: Usdc(10_000_000),
    }
}
