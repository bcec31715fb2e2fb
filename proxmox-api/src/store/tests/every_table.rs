//! A store with rows in every table, for tests of copies and backups.

use super::{super::sql::Value, *};

/// Texts with characters that have a meaning on the way.
const TEXTS: [&str; 6] = [
    "",
    "\\N",
    "a\tb\nc\r\\d",
    "\u{fffd}\u{1F980} größer",
    "it's \"quoted\"",
    "\u{1}{}",
];

/// Puts rows into every table. A table that a migration adds gets its rows here.
fn fill(db: Db<'_>) {
    let run = |sql: &str, values: &[Value<'_>]| db.execute(sql, values).unwrap();
    for number in 0..9_i64 {
        let text = TEXTS[usize::try_from(number).unwrap() % TEXTS.len()];
        // The order of ids is not that of the rows.
        let id = format!("pay-{}", 9 - number);
        let lease = format!("lease-{number}");
        let key = (number % 2 == 0).then(|| format!("key {number} {text}"));
        let big = (number % 3 == 0).then_some(i64::MAX - number);
        run(
            "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest,
                 idempotency_key, state, amount, pay_to,
                 valid_before, request, operation, arguments, log_index, block, created_at,
                      updated_at)
             VALUES (?1, 'eip155:84532', '0xa55e', ?2, ?3, 'digest', ?4, 'settled', ?5, '0xbb',
                  300, ?6, 'lease_container',
                 ?6, ?7, ?7, 1, ?8)",
            values![
                id,
                PAYER,
                format!("0x{number}"),
                key,
                1000 + number,
                text,
                big,
                number
            ],
        );
        if number == 4 {
            // A gap in the order of rows, as a payment that was given back leaves it.
            run("DELETE FROM payments WHERE payment_id = ?1", values![id]);
            continue;
        }
        run(
            "INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template, hostname,
                 cores, memory_mb, disk_gb, minutes,
                 payment_id, created_at, updated_at)
             VALUES (?1, ?2, 'pve', ?3, 'destroyed', 'small', 'debian', ?4, 1, 512, 8, 60, ?5, 1,
                  ?6)",
            values![lease, 500 + number, PAYER, text, id, number],
        );
        run(
            "INSERT INTO events (at, subject, kind, data) VALUES (?1, ?2, 'kind', ?3)",
            values![-number, lease, text],
        );
        for sql in [
            "INSERT INTO renewals (payment_id, lease_id, minutes, previous_state, expires_at,
                 created_at)
             VALUES (?1, ?2, 5, 'active', 7, ?3)",
            "INSERT INTO debts (payment_id, reason, amount, state, created_at,
                 updated_at) VALUES (?1, ?2, 7 + ?3, 'due', 1, 1)",
            "INSERT INTO sent_transactions (network, asset, payer, nonce, transaction_hash, sent)
             VALUES ('n', ?1, ?2, 'nonce', 'hash', CAST(?3 AS TEXT))",
            "INSERT INTO traffic (lease_id, sent, received, last_out, last_in, last_uptime,
                 seen_at, step, kept_rate)
             VALUES (?2, ?3, 1, 2, 3, 4, 5, 'full', length(?1))",
            "INSERT INTO console_tickets (ticket_hash, lease_id, wallet, expires_at) VALUES (?1,
                 ?2, '0xaa', ?3)",
            "INSERT INTO guest_names (lease_id, name, made_at, taken_down_at, reason) VALUES (?2, lower(?1),
                 1, CASE WHEN ?3 % 2 = 0 THEN ?3 END, ?1)",
            "INSERT INTO ports (lease_id, port, access, epoch, updated_at) VALUES (?2, 80 + ?3, 'link', ?1,
                 1)",
            "INSERT INTO port_tickets (ticket_hash, lease_id, port, expires_at) VALUES (?1, ?2, 80, ?3)",
            "INSERT INTO ssh_keys (lease_id, fingerprint, line, added_at) VALUES (?2, ?1, 'line', ?3)",
            "INSERT INTO holds (payment_id, wallet, key_id, amount, state, day, at) VALUES (?1, '0xaa', ?2, 1 + ?3, 'held', 1,
                 2)",
            "INSERT INTO ledger (at, amount, from_account, to_account, kind, ref, lease_id) VALUES (?3, 5, 'sales',
                 'wallet:' || lower(?1), 'goodwill', ?1, ?2)",
            "INSERT INTO demo_balances (network, asset, account, balance) VALUES (?1, '0xa', ?2,
                 ?3)",
        ] {
            run(sql, values![id, lease, number]);
        }
        for sql in [
            "INSERT INTO installation (name, value) VALUES (?1, ?2)",
            "INSERT INTO challenges (digest, expires_at) VALUES (?1, length(?2))",
            "INSERT INTO credit (wallet, balance, held) VALUES (lower(?1), 7 + length(?2), 3)",
            "INSERT INTO api_keys (key_id, key_hash, test, wallet, name, scopes, spent, held, day, day_spent,
                 disabled, created_at) VALUES (?1, ?1, 0, '0xaa', ?2, 'read', 1, 2, 3, 4, 0, 5)",
            "INSERT INTO sessions (token_hash, wallet, expires_at) VALUES (?1, '0xaa', length(?2))",
            "INSERT INTO brakes (subject, name, unpaid, blocked_until,
                 updated_at) VALUES ('client', ?1, 1, length(?2), 3)",
            "INSERT INTO demo_transfers (transaction_hash, network, asset, sender, nonce,
                 recipient, amount, at)
             VALUES (?1, 'n', '0xa', '0xb', ?1, lower(?2), 5, 6)",
        ] {
            run(sql, values![format!("{number}-name"), text]);
        }
        for sql in [
            "INSERT INTO vmids (vmid, last_use) VALUES (?1, 9 - ?1)",
            "INSERT INTO orphans (vmid, lease_id, seen_at) VALUES (?1, 'lease', 1)",
        ] {
            run(sql, values![number]);
        }
    }
    run(
        "INSERT INTO installation (name, value) VALUES ('id', 'abcd')",
        &[],
    );
}

pub(super) async fn filled(place: &Place) {
    let store = place.open().await;
    let done = store.write(ChangeLock::None, |db| {
        fill(db);
        Ok(())
    });
    done.await.unwrap();
}
