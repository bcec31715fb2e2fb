-- The same tables as on SQLite, where `rowid` is there by itself. Numbers are 64 bits wide everywhere.
-- Hexadecimal text (accounts, assets, nonces) is stored in lower case: another spelling of a nonce must not be another nonce.
CREATE TABLE payments (
    rowid BIGINT GENERATED ALWAYS AS IDENTITY,
    payment_id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    payer TEXT NOT NULL CHECK (payer = lower(payer)),
    nonce TEXT NOT NULL CHECK (nonce = lower(nonce)),
    digest TEXT NOT NULL,
    idempotency_key TEXT,
    state TEXT NOT NULL CHECK (state IN
        ('reserved', 'verified', 'settling', 'settled', 'refused', 'unknown', 'released', 'answered')),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    pay_to TEXT NOT NULL,
    valid_before BIGINT NOT NULL,
    request TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    lease_id TEXT,
    transaction_hash TEXT,
    reason TEXT,
    answer_status BIGINT,
    answer_body TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((answer_status IS NULL) = (answer_body IS NULL)),
    CHECK (state <> 'answered' OR answer_status IS NOT NULL),
    UNIQUE (network, asset, payer, nonce)
);
-- One charge per key and payer; an attempt that moved no money gives its key back.
CREATE UNIQUE INDEX payments_key ON payments (payer, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state NOT IN ('released', 'refused');
CREATE INDEX payments_payer ON payments (payer, created_at);
CREATE INDEX payments_lease ON payments (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX payments_unfinished ON payments (state)
    WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown');

CREATE TABLE leases (
    rowid BIGINT GENERATED ALWAYS AS IDENTITY,
    lease_id TEXT PRIMARY KEY,
    vmid BIGINT NOT NULL CHECK (vmid >= 100),
    node TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner = lower(owner)),
    state TEXT NOT NULL CHECK (state IN
        ('provisioning', 'create_sent', 'created', 'probed', 'settling', 'unknown', 'active', 'expiring', 'stopped',
         'undoing', 'destroying', 'destroyed')),
    sku TEXT NOT NULL,
    template TEXT NOT NULL,
    hostname TEXT NOT NULL,
    cores BIGINT NOT NULL CHECK (cores > 0),
    memory_mb BIGINT NOT NULL CHECK (memory_mb > 0),
    disk_gb BIGINT NOT NULL CHECK (disk_gb > 0),
    minutes BIGINT NOT NULL CHECK (minutes > 0),
    ip TEXT,
    expires_at BIGINT,
    destroy_at BIGINT CHECK (destroy_at >= expires_at),
    warned_at BIGINT,
    payment_id TEXT NOT NULL REFERENCES payments (payment_id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK (state NOT IN ('active', 'expiring', 'stopped') OR (expires_at IS NOT NULL AND destroy_at IS NOT NULL))
);
CREATE UNIQUE INDEX leases_live_vmid ON leases (vmid) WHERE state <> 'destroyed';
CREATE UNIQUE INDEX leases_live_payment ON leases (payment_id) WHERE state NOT IN ('undoing', 'destroyed');
CREATE INDEX leases_owner ON leases (owner, created_at);
CREATE INDEX leases_deadline ON leases (state, expires_at);

-- One row per paid extension, so that performing it again after a crash extends nothing twice.
CREATE TABLE renewals (
    payment_id TEXT PRIMARY KEY REFERENCES payments (payment_id),
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    minutes BIGINT NOT NULL CHECK (minutes > 0),
    previous_state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What this installation knows of itself: its id, its key, the tariff it last quoted.
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Transactions sent with the gas key, recorded before the chain hears of them.
CREATE TABLE sent_transactions (
    rowid BIGINT GENERATED ALWAYS AS IDENTITY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL,
    payer TEXT NOT NULL,
    nonce TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    sent TEXT NOT NULL,
    PRIMARY KEY (network, asset, payer, nonce, transaction_hash)
);

-- Sign-in texts by their SHA-256, so that only a text that was given out, unchanged, can be signed.
CREATE TABLE challenges (
    digest TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    wallet TEXT NOT NULL CHECK (wallet = lower(wallet)),
    expires_at BIGINT NOT NULL
);

CREATE TABLE events (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_subject ON events (subject, event_id);
CREATE FUNCTION events_are_kept() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'events are append only'; END $$;
CREATE TRIGGER events_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON events EXECUTE FUNCTION events_are_kept();

CREATE TABLE demo_balances (
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    account TEXT NOT NULL CHECK (account = lower(account)),
    balance BIGINT NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (network, asset, account)
);

CREATE TABLE demo_transfers (
    transaction_hash TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    sender TEXT NOT NULL CHECK (sender = lower(sender)),
    nonce TEXT NOT NULL CHECK (nonce = lower(nonce)),
    recipient TEXT NOT NULL CHECK (recipient = lower(recipient)),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    at BIGINT NOT NULL,
    UNIQUE (network, asset, sender, nonce)
);
