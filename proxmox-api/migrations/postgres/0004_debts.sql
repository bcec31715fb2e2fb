-- What can become of money beside "settled" and "refused": `unresolved` payments, of which nothing can be learnt without a
-- chain, and `debts`, what was paid for and could not be delivered.
ALTER TABLE payments DROP CONSTRAINT payments_state_check;
ALTER TABLE payments ADD CONSTRAINT payments_state_check CHECK (state IN
    ('reserved', 'verified', 'settling', 'settled', 'refused', 'unknown', 'unresolved', 'released', 'answered'));
-- Which transfer of the transaction is this payment's, where the chain was read.
ALTER TABLE payments ADD COLUMN log_index BIGINT;
ALTER TABLE payments ADD COLUMN block BIGINT;
-- When something that must not be done twice was begun.
ALTER TABLE payments ADD COLUMN performed_at BIGINT;
-- When the chain was looked at for the last time.
ALTER TABLE payments ADD COLUMN checked_at BIGINT;
DROP INDEX payments_unfinished;
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
    amount BIGINT NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('due', 'credited', 'paid')),
    note TEXT,
    transaction_hash TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (payment_id, reason)
);
CREATE INDEX debts_due ON debts (created_at) WHERE state = 'due';

-- Keys that hold the payment's nonce, signature or payer are public once the payment is settled, so they prove nothing: they
-- count as no key, and what was stored under them is blanked.
UPDATE payments SET idempotency_key = NULL,
    answer_body = CASE WHEN answer_body IS NULL THEN NULL ELSE '' END
    WHERE idempotency_key IS NOT NULL AND (strpos(lower(idempotency_key), substr(nonce, 3)) > 0 OR strpos(lower(idempotency_key), substr(payer, 3)) > 0
        OR CASE WHEN request LIKE '{%' THEN strpos(lower(idempotency_key), substr(lower(request::jsonb #>> '{paymentPayload,payload,signature}'), 3, 32)) ELSE 0 END > 0);
-- Made passwords are derived when an answer is given; what is kept is an empty one.
UPDATE payments SET answer_body = jsonb_set(answer_body::jsonb, '{password}', '""')::text
    WHERE operation = 'lease_container' AND answer_status = 200 AND answer_body LIKE '{%'
      AND arguments LIKE '%"makesPassword":true%';
