//! Rows as a service leaves them, written by plain SQL without a flush: a million payments in less
//! than a minute. The bench includes this file by its path.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use proxmox_api::store::Store;
use rusqlite::{Connection, Statement, params};
use service::crypto::sha256_hex;

/// The size of the store to be made.
#[derive(Debug, Clone, Default)]
pub struct StoreSize {
    /// Payments, all of them final.
    pub payments: i64,
    /// Leases, each with its own payment, so at most as many as payments. All but the live ones are
    /// over.
    pub leases: i64,
    /// Live leases, the last ones, which are paid for a year from now. Their containers do not
    /// exist.
    pub live: i64,
    /// Events.
    pub events: i64,
    /// Whether signed requests are blanked, as the service does a day after a payment is over.
    pub blanked: bool,
}

/// The wallet that buys more than others: public development account 2, so that measurements can
/// pay with it.
const LARGE_WALLET: &str = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";
/// Payments and leases of the one wallet that buys more than others, where there are as many.
const LARGE: (i64, i64) = (20_000, 2_000);
/// The number of payments of every other wallet.
const ORDINARY: i64 = 40;
/// The time of the first payment, Unix seconds, and the interval between payments.
const FIRST: i64 = 1_700_000_000;
const APART: i64 = 60;
const YEAR: i64 = 365 * 86_400;

impl StoreSize {
    /// This number of payments, a tenth of it and the large wallet's in leases, and as many events.
    #[must_use]
    pub fn with_payments(payments: i64) -> Self {
        Self {
            payments,
            leases: payments / 10 + LARGE.1,
            events: payments,
            ..Self::default()
        }
    }
}

fn wallet(number: i64) -> String {
    format!("0x{}", &sha256_hex(format!("wallet {number}"))[..40])
}

/// Writes a file with these rows.
///
/// # Errors
/// It is there already, or cannot be written.
pub fn fill(path: &Path, extent: &StoreSize) -> anyhow::Result<()> {
    ensure!(!path.try_exists()?, "{} is there already", path.display());
    ensure!(
        extent.live <= extent.leases && extent.leases <= extent.payments,
        "each lease has a payment of its own"
    );
    drop(Store::open(path)?);
    let mut file = Connection::open(path)?;
    // An interrupted run starts again from nothing, so durability is not needed.
    let fast = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -524288;";
    // The store's threads close the file some time after the drop.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = file.execute_batch(fast) {
        ensure!(Instant::now() < deadline, error);
        std::thread::sleep(Duration::from_millis(10));
    }
    let all = file.transaction()?;
    {
        let sql = "INSERT OR REPLACE INTO installation (name, value) VALUES (?1, ?2)";
        all.execute(sql, params!["id", &sha256_hex("installation")[..16]])?;
        all.execute(sql, params!["key", service::crypto::random_hex(32)])?;
        payments(&mut all.prepare(PAYMENT)?, extent)?;
        leases(&mut all.prepare(LEASE)?, extent)?;
        traffic(&mut all.prepare(TRAFFIC)?, extent)?;
        events(&mut all.prepare(EVENT)?, extent)?;
        all.execute_batch(
            "INSERT INTO vmids (vmid, last_use)
                 SELECT vmid, row_number() OVER (ORDER BY max(rowid)) FROM leases GROUP BY vmid",
        )?;
    }
    all.commit()?;
    file.pragma_update(None, "journal_mode", "WAL")?;
    Ok(())
}

const PAYMENT: &str = "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest,
     state, amount, pay_to, valid_before,
        request, operation, arguments, lease_id, transaction_hash, log_index, block,
             answer_status, answer_body, performed_at,
        checked_at, created_at, updated_at)
    VALUES (?1, 'eip155:84532', '0x036cbd53842c5426634e7929541ec2318f3dcf7e', ?2, ?3, ?4,
         'answered', ?5,
        '0x70997970c51812dc3a010c7d01b50e0d17dc79c8', ?6 + 300, ?7, ?8, ?9, ?10, ?11, 0, ?12, 200,
             '', ?6, ?6, ?6, ?6)";
const LEASE: &str = "INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template,
     hostname, cores, memory_mb, disk_gb,
        minutes, ip, expires_at, destroy_at, payment_id, mac, created_at, updated_at)
    VALUES (?1, ?2, 'pve', ?3, ?4, 'small', 'debian-12', ?5, 1, 512, 8, 60, '10.0.0.7', ?6,
         ?6 + 600, ?7,
        'BC:24:11:00:00:01', ?8, ?8)";
const TRAFFIC: &str =
    "INSERT INTO traffic (lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step)
    VALUES (?1, 1000000, 9000000, 1000000, 9000000, 3600, ?2, 'full')";
const EVENT: &str = "INSERT INTO events (at, subject, kind, data) VALUES (?1, ?2, ?3, ?4)";

/// The wallet that made a payment.
fn payer(number: i64, extent: &StoreSize) -> String {
    let large = LARGE.0.min(extent.payments);
    match number < large {
        true => LARGE_WALLET.to_owned(),
        false => wallet(1 + (number - large) / ORDINARY),
    }
}

/// The payment of a lease: the large wallet's first payments, and then every n-th of the others.
fn paid_by(lease: i64, extent: &StoreSize) -> i64 {
    let large = LARGE.1.min(extent.leases);
    if lease < large {
        return lease;
    }
    let apart = (extent.payments - large) / (extent.leases - large);
    large + (lease - large) * apart
}

fn made_at(payment: i64) -> i64 {
    FIRST + payment * APART
}

/// The id that the service gives to a payment of that time.
fn payment_id(number: i64) -> String {
    let random = &sha256_hex(format!("payment {number}"))[..16];
    format!("pay_{:08x}{random}", made_at(number))
}

fn payments(insert: &mut Statement<'_>, extent: &StoreSize) -> anyhow::Result<()> {
    let signature = sha256_hex("signature").repeat(2);
    let mut next_lease = 0;
    for number in 0..extent.payments {
        let lease = (next_lease < extent.leases && paid_by(next_lease, extent) == number)
            .then(|| format!("lease_{next_lease:012}"));
        next_lease += i64::from(lease.is_some());
        let (nonce, payer, at) = (
            format!("0x{}", sha256_hex(format!("nonce {number}"))),
            payer(number, extent),
            made_at(number),
        );
        let (operation, amount, arguments) = match lease {
            Some(_) => (
                "lease_container",
                50_000,
                "{\"sku\":\"small\",\"minutes\":60}",
            ),
            None => ("list", 1_000, "{}"),
        };
        let request = format!(
            r#"{{"paymentPayload":{{"x402Version":2,"resource":{{"url":"https://lease.example.org/management/list","description":"Lists your containers","mimeType":"application/json"}},"accepted":{{"scheme":"exact","network":"eip155:84532","asset":"0x036cbd53842c5426634e7929541ec2318f3dcf7e","amount":"{amount}","payTo":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","maxTimeoutSeconds":300,"extra":{{"name":"USDC","version":"2"}}}},"payload":{{"signature":"0x{signature}1b","authorization":{{"from":"{payer}","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","value":"{amount}","validAfter":"{at}","validBefore":"{}","nonce":"{nonce}"}}}}}},"paymentRequirements":{{"scheme":"exact","network":"eip155:84532"}}}}"#,
            at + 300
        );
        let request = if extent.blanked { "" } else { &request };
        insert.execute(params![
            payment_id(number),
            payer,
            nonce,
            sha256_hex(format!("digest {number}")),
            amount,
            at,
            request,
            operation,
            arguments,
            lease,
            format!("0x{}", sha256_hex(format!("transaction {number}"))),
            20_000_000 + number,
        ])?;
    }
    Ok(())
}

fn leases(insert: &mut Statement<'_>, extent: &StoreSize) -> anyhow::Result<()> {
    for number in 0..extent.leases {
        let payment = paid_by(number, extent);
        let lives = number >= extent.leases - extent.live;
        let (state, ends) = match lives {
            true => ("active", made_at(extent.payments) + 10 * YEAR),
            false => ("destroyed", made_at(payment) + 3600),
        };
        insert.execute(params![
            format!("lease_{number:012}"),
            // Numbers are reused, but each live lease has its own.
            if lives {
                100_000 + number
            } else {
                100 + number % 10_000
            },
            payer(payment, extent),
            state,
            format!("box-{number}"),
            ends,
            payment_id(payment),
            made_at(payment),
        ])?;
    }
    Ok(())
}

fn traffic(insert: &mut Statement<'_>, extent: &StoreSize) -> anyhow::Result<()> {
    for number in 0..extent.leases {
        insert.execute(params![format!("lease_{number:012}"), made_at(number)])?;
    }
    Ok(())
}

fn events(insert: &mut Statement<'_>, extent: &StoreSize) -> anyhow::Result<()> {
    const KINDS: [&str; 5] = [
        "claimed",
        "activated",
        "expires_soon",
        "stopped",
        "destroyed",
    ];
    for number in 0..extent.events {
        let kind = KINDS[usize::try_from(number % 5)?];
        let lease = number * extent.leases.max(1) / extent.events;
        insert.execute(params![
            made_at(number),
            format!("lease_{lease:012}"),
            kind,
            format!(
                r#"{{"vmid":{},"node":"pve","paymentId":"pay_{number:024}"}}"#,
                100 + lease % 10_000
            ),
        ])?;
    }
    Ok(())
}
