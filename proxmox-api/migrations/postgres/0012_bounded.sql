-- Work that does not grow with history. The conditions are those of SQLite's indexes; large columns are stored outside of their
-- rows by themselves.
DROP INDEX payments_payer;
CREATE INDEX payments_payer ON payments (payer, created_at, rowid);
DROP INDEX payments_lease;
-- What was paid for each lease of a wallet, and whether a wallet has paid for any.
DROP INDEX payments_paid;
CREATE INDEX payments_paid ON payments (payer, lease_id, amount) WHERE lease_id IS NOT NULL AND state IN ('settled', 'answered');
-- Which payment a transaction of the chain belongs to.
CREATE INDEX payments_transaction ON payments (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;
CREATE INDEX debts_transaction ON debts (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;
-- What of a wallet's money waits to be settled.
CREATE INDEX payments_waiting ON payments (payer, amount) WHERE state IN ('reserved', 'verified', 'settling', 'unknown');
-- What the sweep goes on with.
DROP INDEX payments_unfinished;
CREATE INDEX payments_unfinished ON payments (created_at)
    WHERE state IN ('reserved', 'verified', 'settling', 'settled', 'unknown');
CREATE INDEX payments_unresolved ON payments (created_at) WHERE state = 'unresolved';
-- What is looked for on the chain once more.
DROP INDEX payments_to_check;
CREATE INDEX payments_refusals_to_check ON payments (valid_before)
    WHERE state = 'refused' AND checked_at IS NULL AND request <> '';
CREATE INDEX payments_transfers_to_check ON payments (updated_at)
    WHERE state IN ('settled', 'answered') AND checked_at IS NULL AND request <> '' AND transaction_hash IS NOT NULL;
-- What is blanked with its lease.
CREATE INDEX payments_kept_of_lease ON payments (lease_id)
    WHERE state IN ('answered', 'refused') AND (answer_body <> '' OR request <> '') AND lease_id IS NOT NULL;

-- Leases that are not over, and those that are: all of them, and by wallet. Nothing else begins with the wallet or with the end's
-- state and time, so that no planner takes the longer way.
DROP INDEX leases_owner;
CREATE INDEX leases_live ON leases (created_at, rowid) WHERE state <> 'destroyed';
CREATE INDEX leases_live_owner ON leases (owner, created_at, rowid) WHERE state <> 'destroyed';
DROP INDEX leases_deadline;
CREATE INDEX leases_deadline ON leases (state, expires_at) WHERE state <> 'destroyed';
CREATE INDEX leases_missed ON leases (missing_since) WHERE missing_since IS NOT NULL AND state <> 'destroyed';
CREATE INDEX leases_ended ON leases (state, updated_at) WHERE state = 'destroyed';
CREATE INDEX leases_ended_owner ON leases (owner, created_at, rowid) WHERE state = 'destroyed';
-- The last lease of a wallet with a number, and the leases that a payment was for.
CREATE INDEX leases_vmid ON leases (vmid, owner);
CREATE INDEX leases_payment ON leases (payment_id);

-- What is removed once its time is over.
CREATE INDEX challenges_expiry ON challenges (expires_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX brakes_age ON brakes (updated_at);
-- A lease that was never paid for is removed, and nothing may refer to it.
CREATE INDEX console_tickets_lease ON console_tickets (lease_id);

-- Numbers are 64 bits wide everywhere: a narrower one cannot be read.
ALTER TABLE orphans ALTER COLUMN vmid TYPE BIGINT;
