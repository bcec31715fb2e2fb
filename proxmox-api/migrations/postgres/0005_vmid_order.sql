-- Every number that was handed out, by the order of its last use, so that the one freed last is used again last.
CREATE TABLE vmids (
    vmid BIGINT PRIMARY KEY,
    last_use BIGINT NOT NULL
);
CREATE INDEX vmids_order ON vmids (last_use);
INSERT INTO vmids (vmid, last_use)
    SELECT vmid, row_number() OVER (ORDER BY max(updated_at), vmid) FROM leases GROUP BY vmid;

-- Machines that were made and not paid for, by wallet and by address: none is made for them before `blocked_until`.
CREATE TABLE brakes (
    subject TEXT NOT NULL CHECK (subject IN ('payer', 'client')),
    name TEXT NOT NULL,
    unpaid BIGINT NOT NULL CHECK (unpaid > 0),
    blocked_until BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (subject, name)
);
-- The address that a lease was asked for from, until it is paid or gone.
ALTER TABLE leases ADD COLUMN client TEXT;
-- The machine of a lease whose payment nobody knows the outcome of: whether a stop was sent, and whether it is done.
ALTER TABLE leases ADD COLUMN held TEXT CHECK (held IN ('stopping', 'stopped'));
