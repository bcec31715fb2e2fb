-- What a lease's container has sent and received, in bytes, from the counters of its node, which begin anew at each start.
CREATE TABLE traffic (
    lease_id TEXT PRIMARY KEY REFERENCES leases (lease_id),
    sent BIGINT NOT NULL CHECK (sent >= 0),
    received BIGINT NOT NULL CHECK (received >= 0),
    -- The counters and the seconds since the container's start, as they were at the last look, and when that was.
    last_out BIGINT NOT NULL,
    last_in BIGINT NOT NULL,
    last_uptime BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    -- What was done because of it: what Proxmox was told last.
    step TEXT NOT NULL CHECK (step IN ('full', 'slowed', 'cut')),
    -- The limit of net0 in bytes per second before it was slowed, 0 without one, and whether its link was down before it was
    -- cut off. NULL while nothing was changed.
    kept_rate BIGINT,
    kept_down BIGINT
);
CREATE INDEX renewals_lease ON renewals (lease_id);
