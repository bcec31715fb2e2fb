-- Work that does not grow with history: every condition of a partial index is written word for word as in the statement that
-- it serves, because SQLite proves nothing else.
-- The table is made anew for the order of its columns. SQLite reads a row from its first column on, so the three that may be
-- large come last, and lists of payments do not read them.
CREATE TABLE payments_anew (
    payment_id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    payer TEXT NOT NULL CHECK (payer = lower(payer)),
    nonce TEXT NOT NULL CHECK (nonce = lower(nonce)),
    digest TEXT NOT NULL,
    idempotency_key TEXT,
    state TEXT NOT NULL CHECK (state IN
        ('reserved', 'verified', 'settling', 'settled', 'refused', 'unknown', 'unresolved', 'released', 'answered')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    pay_to TEXT NOT NULL,
    valid_before INTEGER NOT NULL,
    operation TEXT NOT NULL,
    lease_id TEXT,
    transaction_hash TEXT,
    -- Which transfer of the transaction is this payment's, where the chain was read.
    log_index INTEGER,
    block INTEGER,
    reason TEXT,
    answer_status INTEGER,
    -- When something that must not be done twice was begun.
    performed_at INTEGER,
    -- When the chain was looked at for the last time.
    checked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    request TEXT NOT NULL,
    arguments TEXT NOT NULL,
    answer_body TEXT,
    CHECK ((answer_status IS NULL) = (answer_body IS NULL)),
    CHECK (state <> 'answered' OR answer_status IS NOT NULL),
    UNIQUE (network, asset, payer, nonce)
) STRICT;
INSERT INTO payments_anew (rowid, payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to, valid_before, request, operation, arguments, lease_id, transaction_hash, log_index, block, reason, answer_status, answer_body, performed_at, checked_at, created_at, updated_at)
    SELECT rowid, payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to, valid_before, request, operation, arguments, lease_id, transaction_hash, log_index, block, reason, answer_status, answer_body, performed_at, checked_at, created_at, updated_at FROM payments;
DROP TABLE payments;
ALTER TABLE payments_anew RENAME TO payments;
CREATE UNIQUE INDEX payments_key ON payments (payer, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state NOT IN ('released', 'refused');
CREATE INDEX payments_payer ON payments (payer, created_at);
-- What was paid for each lease of a wallet, and whether a wallet has paid for any.
CREATE INDEX payments_paid ON payments (payer, lease_id, amount) WHERE lease_id IS NOT NULL AND state IN ('settled', 'answered');
-- One transfer pays for one purchase.
CREATE UNIQUE INDEX payments_evidence ON payments (network, transaction_hash, log_index) WHERE log_index IS NOT NULL;
-- Which payment a transaction of the chain belongs to.
CREATE INDEX payments_transaction ON payments (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;
CREATE INDEX debts_transaction ON debts (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;
-- What of a wallet's money waits to be settled.
CREATE INDEX payments_waiting ON payments (payer, amount) WHERE state IN ('reserved', 'verified', 'settling', 'unknown');
-- What the sweep goes on with.
CREATE INDEX payments_unfinished ON payments (created_at)
    WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown');
CREATE INDEX payments_unresolved ON payments (created_at) WHERE state = 'unresolved';
-- What is looked for on the chain once more.
CREATE INDEX payments_refusals_to_check ON payments (valid_before)
    WHERE state = 'refused' AND checked_at IS NULL AND request <> '';
CREATE INDEX payments_transfers_to_check ON payments (updated_at)
    WHERE state IN ('settled', 'answered') AND checked_at IS NULL AND request <> '' AND transaction_hash IS NOT NULL;
-- What is removed an hour after, and what is blanked a day after or with its lease.
CREATE INDEX payments_released ON payments (updated_at) WHERE state = 'released';
CREATE INDEX payments_kept ON payments (updated_at)
    WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR request <> '');
CREATE INDEX payments_kept_of_lease ON payments (lease_id)
    WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR request <> '') AND lease_id IS NOT NULL;

-- Leases that are not over, and those that are: all of them, and by wallet. Nothing else begins with the wallet or with the end's
-- state and time, so that no planner takes the longer way.
DROP INDEX leases_owner;
CREATE INDEX leases_live ON leases (created_at) WHERE state <> 'destroyed';
CREATE INDEX leases_live_owner ON leases (owner, created_at) WHERE state <> 'destroyed';
DROP INDEX leases_deadline;
CREATE INDEX leases_deadline ON leases (state, expires_at) WHERE state <> 'destroyed';
CREATE INDEX leases_missed ON leases (missing_since) WHERE missing_since IS NOT NULL AND state <> 'destroyed';
CREATE INDEX leases_ended ON leases (state, updated_at) WHERE state = 'destroyed';
CREATE INDEX leases_ended_owner ON leases (owner, created_at) WHERE state = 'destroyed';
-- The last lease of a wallet with a number, and the leases that a payment was for.
CREATE INDEX leases_vmid ON leases (vmid, owner);
CREATE INDEX leases_payment ON leases (payment_id);

-- What is removed once its time is over.
CREATE INDEX challenges_expiry ON challenges (expires_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX brakes_age ON brakes (updated_at);
-- A lease that was never paid for is removed, and nothing may refer to it.
CREATE INDEX console_tickets_lease ON console_tickets (lease_id);
