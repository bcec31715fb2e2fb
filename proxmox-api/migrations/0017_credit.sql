-- Credit: money that customers paid in ahead. One row of the ledger is one balanced movement between two accounts, and rows are
-- only added. `wallet:0x…` is what a wallet has, `chain:…` where top-ups come from, `sales` what was earned.
CREATE TABLE ledger (
    entry_id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    from_account TEXT NOT NULL CHECK (from_account = lower(from_account)),
    to_account TEXT NOT NULL CHECK (to_account = lower(to_account) AND to_account <> from_account),
    kind TEXT NOT NULL CHECK (kind IN
        ('top_up', 'charge', 'unused', 'undeliverable', 'goodwill', 'withdrawal', 'withdrawal_failed', 'expiry')),
    -- What it is for, by which it is made once: a payment, a debt, a lease.
    ref TEXT NOT NULL,
    key_id TEXT,
    lease_id TEXT,
    UNIQUE (kind, ref)
) STRICT;
CREATE INDEX ledger_from ON ledger (from_account, entry_id);
CREATE INDEX ledger_to ON ledger (to_account, entry_id);
-- What a wallet topped up in a day.
CREATE INDEX ledger_top_ups ON ledger (to_account, at) WHERE kind = 'top_up';
-- What a wallet spent in a day.
CREATE INDEX ledger_charges ON ledger (from_account, at) WHERE kind = 'charge';
CREATE TRIGGER ledger_keep BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append only'); END;
CREATE TRIGGER ledger_stay BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append only'); END;

-- What each wallet has by the ledger, and how much of it is held for calls that are not over.
CREATE TABLE credit (
    wallet TEXT PRIMARY KEY CHECK (wallet = lower(wallet)),
    balance INTEGER NOT NULL CHECK (balance >= 0),
    held INTEGER NOT NULL CHECK (held >= 0 AND held <= balance)
) STRICT;
CREATE INDEX credit_liability ON credit (balance) WHERE balance > 0;

-- What a payment from credit holds: captured with its answer, released with its payment.
CREATE TABLE holds (
    payment_id TEXT PRIMARY KEY REFERENCES payments (payment_id),
    wallet TEXT NOT NULL CHECK (wallet = lower(wallet)),
    key_id TEXT,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('held', 'captured', 'released')),
    -- The day that it counts for in the key's daily limit.
    day INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX holds_open ON holds (wallet) WHERE state = 'held';

-- API keys, known only by the hash of their digits.
CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY,
    key_hash TEXT NOT NULL UNIQUE,
    -- Whether it is of a test network or the demo.
    test INTEGER NOT NULL CHECK (test IN (0, 1)),
    wallet TEXT NOT NULL CHECK (wallet = lower(wallet)),
    name TEXT NOT NULL,
    -- Separated by spaces.
    scopes TEXT NOT NULL,
    -- The only lease that it is good for.
    lease_id TEXT,
    limit_total INTEGER CHECK (limit_total >= 0),
    limit_day INTEGER CHECK (limit_day >= 0),
    limit_call INTEGER CHECK (limit_call >= 0),
    spent INTEGER NOT NULL CHECK (spent >= 0),
    held INTEGER NOT NULL CHECK (held >= 0),
    -- The days of Unix time that it spent last in, and what it spent and holds of that day.
    day INTEGER NOT NULL,
    day_spent INTEGER NOT NULL CHECK (day_spent >= 0),
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_wallet ON api_keys (wallet, created_at, key_id);
CREATE INDEX api_keys_good ON api_keys (wallet) WHERE revoked_at IS NULL;
-- Which key a console was opened with.
ALTER TABLE console_tickets ADD COLUMN key_id TEXT;
