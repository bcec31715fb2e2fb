-- Hexadecimal text (accounts, assets, nonces) is stored in lower case: another spelling of a nonce must not be another nonce.
CREATE TABLE payments (
    payment_id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    payer TEXT NOT NULL CHECK (payer = lower(payer)),
    nonce TEXT NOT NULL CHECK (nonce = lower(nonce)),
    digest TEXT NOT NULL,
    idempotency_key TEXT,
    state TEXT NOT NULL CHECK (state IN
        ('reserved', 'verified', 'settling', 'settled', 'refused', 'unknown', 'released', 'answered')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    pay_to TEXT NOT NULL,
    valid_before INTEGER NOT NULL,
    request TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    lease_id TEXT,
    transaction_hash TEXT,
    reason TEXT,
    answer_status INTEGER,
    answer_body TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((answer_status IS NULL) = (answer_body IS NULL)),
    CHECK (state <> 'answered' OR answer_status IS NOT NULL),
    UNIQUE (network, asset, payer, nonce)
) STRICT;
-- One charge per key and payer; an attempt that moved no money gives its key back.
CREATE UNIQUE INDEX payments_key ON payments (payer, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state NOT IN ('released', 'refused');
CREATE INDEX payments_payer ON payments (payer, created_at);
CREATE INDEX payments_lease ON payments (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX payments_unfinished ON payments (state)
    WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown');

CREATE TABLE leases (
    lease_id TEXT PRIMARY KEY,
    vmid INTEGER NOT NULL CHECK (vmid >= 100),
    node TEXT NOT NULL,
    owner TEXT NOT NULL CHECK (owner = lower(owner)),
    state TEXT NOT NULL CHECK (state IN
        ('provisioning', 'create_sent', 'created', 'probed', 'settling', 'unknown', 'active', 'expiring', 'stopped',
         'undoing', 'destroying', 'destroyed')),
    sku TEXT NOT NULL,
    template TEXT NOT NULL,
    hostname TEXT NOT NULL,
    cores INTEGER NOT NULL CHECK (cores > 0),
    memory_mb INTEGER NOT NULL CHECK (memory_mb > 0),
    disk_gb INTEGER NOT NULL CHECK (disk_gb > 0),
    minutes INTEGER NOT NULL CHECK (minutes > 0),
    ip TEXT,
    expires_at INTEGER,
    destroy_at INTEGER CHECK (destroy_at >= expires_at),
    warned_at INTEGER,
    payment_id TEXT NOT NULL REFERENCES payments (payment_id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (state NOT IN ('active', 'expiring', 'stopped') OR (expires_at IS NOT NULL AND destroy_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX leases_live_vmid ON leases (vmid) WHERE state <> 'destroyed';
CREATE UNIQUE INDEX leases_live_payment ON leases (payment_id) WHERE state NOT IN ('undoing', 'destroyed');
CREATE INDEX leases_owner ON leases (owner, created_at);
CREATE INDEX leases_deadline ON leases (state, expires_at);

-- One row per paid extension, so that performing it again after a crash extends nothing twice.
CREATE TABLE renewals (
    payment_id TEXT PRIMARY KEY REFERENCES payments (payment_id),
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    minutes INTEGER NOT NULL CHECK (minutes > 0),
    previous_state TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What this installation knows of itself: its id, its key, the tariff it last quoted.
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Transactions sent with the gas key, recorded before the chain hears of them.
CREATE TABLE sent_transactions (
    network TEXT NOT NULL,
    asset TEXT NOT NULL,
    payer TEXT NOT NULL,
    nonce TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    sent TEXT NOT NULL,
    PRIMARY KEY (network, asset, payer, nonce, transaction_hash)
) STRICT;

-- Sign-in texts by their SHA-256, so that only a text that was given out, unchanged, can be signed.
CREATE TABLE challenges (
    digest TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    wallet TEXT NOT NULL CHECK (wallet = lower(wallet)),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_subject ON events (subject, event_id);
CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append only'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append only'); END;

CREATE TABLE demo_balances (
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    account TEXT NOT NULL CHECK (account = lower(account)),
    balance INTEGER NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (network, asset, account)
) STRICT;

CREATE TABLE demo_transfers (
    transaction_hash TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    asset TEXT NOT NULL CHECK (asset = lower(asset)),
    sender TEXT NOT NULL CHECK (sender = lower(sender)),
    nonce TEXT NOT NULL CHECK (nonce = lower(nonce)),
    recipient TEXT NOT NULL CHECK (recipient = lower(recipient)),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    at INTEGER NOT NULL,
    UNIQUE (network, asset, sender, nonce)
) STRICT;
