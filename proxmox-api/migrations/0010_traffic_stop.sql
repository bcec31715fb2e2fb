-- The last step of a lease's traffic: its container is stopped. SQLite changes no check of a table, so the table is made anew.
CREATE TABLE traffic_new (
    lease_id TEXT PRIMARY KEY REFERENCES leases (lease_id),
    sent INTEGER NOT NULL CHECK (sent >= 0),
    received INTEGER NOT NULL CHECK (received >= 0),
    last_out INTEGER NOT NULL,
    last_in INTEGER NOT NULL,
    last_uptime INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    step TEXT NOT NULL CHECK (step IN ('full', 'slowed', 'cut', 'stopped')),
    kept_rate INTEGER,
    kept_down INTEGER,
    -- For how long it was seen running while it was cut off, in seconds; it is stopped after some hours of that.
    cut_seconds INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO traffic_new (lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step, kept_rate, kept_down)
    SELECT lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step, kept_rate, kept_down FROM traffic;
DROP TABLE traffic;
ALTER TABLE traffic_new RENAME TO traffic;
