-- What can become of money beside "settled" and "refused": `unresolved` payments, of which nothing can be learnt without a
-- chain, and `debts`, what was paid for and could not be delivered.
-- SQLite cannot change a constraint: the table is made anew. Foreign keys are off while this runs, and checked afterwards.
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
    request TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    lease_id TEXT,
    transaction_hash TEXT,
    -- Which transfer of the transaction is this payment's, where the chain was read.
    log_index INTEGER,
    block INTEGER,
    reason TEXT,
    answer_status INTEGER,
    answer_body TEXT,
    -- When something that must not be done twice was begun.
    performed_at INTEGER,
    -- When the chain was looked at for the last time.
    checked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((answer_status IS NULL) = (answer_body IS NULL)),
    CHECK (state <> 'answered' OR answer_status IS NOT NULL),
    UNIQUE (network, asset, payer, nonce)
) STRICT;
INSERT INTO payments_anew (rowid, payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to, valid_before, request, operation, arguments, lease_id, transaction_hash, reason, answer_status, answer_body, created_at, updated_at)
    SELECT rowid, payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to, valid_before, request, operation, arguments, lease_id, transaction_hash, reason, answer_status, answer_body, created_at, updated_at FROM payments;
DROP TABLE payments;
ALTER TABLE payments_anew RENAME TO payments;
CREATE UNIQUE INDEX payments_key ON payments (payer, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state NOT IN ('released', 'refused');
CREATE INDEX payments_payer ON payments (payer, created_at);
CREATE INDEX payments_lease ON payments (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX payments_paid ON payments (payer, lease_id, state, amount) WHERE lease_id IS NOT NULL;
CREATE INDEX payments_unfinished ON payments (state)
    WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown', 'unresolved');
-- One transfer pays for one purchase.
CREATE UNIQUE INDEX payments_evidence ON payments (network, transaction_hash, log_index) WHERE log_index IS NOT NULL;
-- What is looked for on the chain once more.
CREATE INDEX payments_to_check ON payments (state, updated_at)
    WHERE checked_at IS NULL AND state IN ('settled', 'answered', 'refused') AND request <> '';
-- What is removed an hour after, and what is blanked a day after.
CREATE INDEX payments_released ON payments (updated_at) WHERE state = 'released';
CREATE INDEX payments_kept ON payments (updated_at)
    WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR request <> '');

-- What is owed to a payer: a payment can be owed for more than one reason, and for each once.
CREATE TABLE debts (
    payment_id TEXT NOT NULL REFERENCES payments (payment_id),
    reason TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('due', 'credited', 'paid')),
    note TEXT,
    transaction_hash TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (payment_id, reason)
) STRICT;
CREATE INDEX debts_due ON debts (created_at) WHERE state = 'due';

-- Keys that hold the payment's nonce, signature or payer are public once the payment is settled, so they prove nothing: they
-- count as no key, and what was stored under them is blanked.
UPDATE payments SET idempotency_key = NULL,
    answer_body = CASE WHEN answer_body IS NULL THEN NULL ELSE '' END
    WHERE idempotency_key IS NOT NULL AND (instr(lower(idempotency_key), substr(nonce, 3)) > 0 OR instr(lower(idempotency_key), substr(payer, 3)) > 0
        OR CASE WHEN request LIKE '{%' THEN instr(lower(idempotency_key), substr(lower(json_extract(request, '$.paymentPayload.payload.signature')), 3, 32)) ELSE 0 END > 0);
-- Made passwords are derived when an answer is given; what is kept is an empty one.
UPDATE payments SET answer_body = json_set(answer_body, '$.password', '')
    WHERE operation = 'lease_container' AND answer_status = 200 AND answer_body LIKE '{%'
      AND arguments LIKE '%"makesPassword":true%';
