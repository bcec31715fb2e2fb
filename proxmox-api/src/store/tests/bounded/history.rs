//! The history of a wallet and its installation: final payments, ended leases and their traces, and
//! sign-ins that are still valid.

use super::super::*;

/// Numbers after ?3 up to ?1, for the wallet ?2.
const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT CAST(?3 AS BIGINT) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 AND ?2 <> '')";

/// Rows of each table, from a number `i`.
const ROWS: [(&str, &str); 21] = [
    (
        "payments (payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to, valid_before,
             operation, lease_id, transaction_hash, log_index, block, answer_status, checked_at, created_at, updated_at,
             request, arguments, answer_body)",
        "SELECT 'old-' || i, 'eip155:84532', '0xa55e', ?2, '0xold' || i, 'digest', 'key-' || i,
             CASE WHEN i % 10 = 9 THEN 'refused' ELSE 'answered' END, 1000, '0xbb', 300, 'list',
             CASE WHEN i % 4 = 0 THEN 'old-lease-' || (i / 4) END, '0xabc' || i, i, 7,
             CASE WHEN i % 10 = 9 THEN NULL ELSE 200 END, 5, i, i, '', '{}',
             CASE WHEN i % 10 = 9 THEN NULL ELSE '' END FROM n",
    ),
    (
        "leases (lease_id, vmid, node, owner, state, sku, template, hostname, cores, memory_mb, disk_gb, minutes,
             expires_at, destroy_at, payment_id, created_at, updated_at, address, mac, ip)",
        "SELECT 'old-lease-' || (i / 4), 500 + i % 32, 'pve', ?2, 'destroyed', 'small', 'debian', 'box', 1, 512, 8, 60,
             i + 3600, i + 7200, 'old-' || i, i, i, '10.64.0.' || (i % 200), 'mac', '10.0.0.1' FROM n WHERE i % 4 = 0",
    ),
    (
        "renewals (payment_id, lease_id, minutes, previous_state, expires_at, created_at)",
        "SELECT 'old-' || (i + 1), 'old-lease-' || (i / 4), 60, 'active', i, i FROM n WHERE i % 4 = 0 AND i < ?1",
    ),
    (
        "traffic (lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step)",
        "SELECT 'old-lease-' || (i / 4), 1, 1, 1, 1, 1, i, 'slowed' FROM n WHERE i % 4 = 0",
    ),
    (
        "debts (payment_id, reason, amount, state, transaction_hash, created_at, updated_at)",
        "SELECT 'old-' || i, 'lease_ended', 1, 'paid', '0xdef' || i, i, i FROM n",
    ),
    (
        "events (at, subject, kind, data)",
        "SELECT i, 'old-lease-' || (i / 4), 'claimed', '{}' FROM n",
    ),
    (
        "sent_transactions (network, asset, payer, nonce, transaction_hash, sent)",
        "SELECT 'eip155:84532', '0xa55e', ?2, '0xold' || i, '0xabc' || i, '{}' FROM n",
    ),
    (
        "demo_transfers (transaction_hash, network, asset, sender, nonce, recipient, amount, at)",
        "SELECT '0xabc' || i, 'n', '0xa5', ?2, '0xold' || i, '0xbb', 1, i FROM n",
    ),
    (
        "demo_balances (network, asset, account, balance)",
        "SELECT 'n', '0xa5', '0xold' || i, 1 FROM n",
    ),
    (
        "sessions (token_hash, wallet, expires_at)",
        "SELECT 'old-' || i, ?2, 2000000 FROM n",
    ),
    (
        "challenges (digest, expires_at)",
        "SELECT 'old-' || i, 2000000 FROM n",
    ),
    (
        "console_tickets (ticket_hash, lease_id, wallet, expires_at)",
        "SELECT 'old-' || i, 'old-lease-' || (i / 4), ?2, 2000000 FROM n WHERE i % 4 = 0",
    ),
    (
        "guest_names (lease_id, name, made_at)",
        "SELECT 'old-lease-' || (i / 4), 'old' || i, i FROM n WHERE i % 4 = 0",
    ),
    (
        "ports (lease_id, port, access, epoch, updated_at)",
        "SELECT 'old-lease-' || (i / 4), 80, 'public', 'epoch', i FROM n WHERE i % 4 = 0",
    ),
    (
        "port_tickets (ticket_hash, lease_id, port, expires_at)",
        "SELECT 'old-' || i, 'old-lease-' || (i / 4), 80, 2000000 FROM n WHERE i % 4 = 0",
    ),
    (
        "ssh_keys (lease_id, fingerprint, line, added_at)",
        "SELECT 'old-lease-' || (i / 4), 'SHA256:' || i, 'line', i FROM n WHERE i % 4 = 0",
    ),
    (
        "brakes (subject, name, unpaid, blocked_until, updated_at)",
        "SELECT 'client', 'old-' || i, 1, 1, 1000000 FROM n",
    ),
    (
        "ledger (at, amount, from_account, to_account, kind, ref)",
        "SELECT i, 1000, 'wallet:' || ?2, 'sales', 'charge', 'old-' || i FROM n",
    ),
    (
        "credit (wallet, balance, held)",
        "SELECT '0xold' || i, 0, 0 FROM n",
    ),
    (
        "holds (payment_id, wallet, key_id, amount, state, day, at)",
        "SELECT 'old-' || i, ?2, 'old-key-' || i, 1000, 'captured', 0, i FROM n",
    ),
    (
        "api_keys (key_id, key_hash, test, wallet, name, scopes, spent, held, day, day_spent, disabled, created_at,
             revoked_at)",
        "SELECT 'old-key-' || i, 'old-' || i, 1, ?2, '', 'read', 1000, 0, 0, 1000, 0, i, i FROM n",
    ),
];

/// Fills a store that has `begun` payments of [`PAYER`]'s already up to `payments` of them, with a
/// lease for each fourth, and as many of everything else. The range of numbers is the same for any
/// history.
pub(super) async fn fill(store: &Store, begun: i64, payments: i64) {
    let filled = store.write(ChangeLock::None, move |db| {
        for (table, rows) in ROWS {
            // Statements that only a test runs are not checked.
            let sql = format!("INSERT INTO {table} {NUMBERS} {rows}");
            db.execute(&sql, values![payments, PAYER, begun])?;
        }
        for number in 500..=530_i64 {
            let sql = "INSERT INTO vmids (vmid, last_use) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            db.execute(sql, values![number, number])?;
        }
        Ok(())
    });
    filled.await.unwrap();
}
