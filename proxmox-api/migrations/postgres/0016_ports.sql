-- The name under which a lease's container is known to visitors and SSH clients. It stays when the lease ends, so that no other
-- lease ever gets it.
CREATE TABLE guest_names (
    lease_id TEXT PRIMARY KEY REFERENCES leases (lease_id),
    name TEXT NOT NULL UNIQUE CHECK (name = lower(name)),
    made_at BIGINT NOT NULL,
    -- When and why the operator took it down; NULL while it is up.
    taken_down_at BIGINT,
    reason TEXT
);
-- The ports of a container that are published.
CREATE TABLE ports (
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    port BIGINT NOT NULL CHECK (port BETWEEN 1 AND 65535),
    access TEXT NOT NULL CHECK (access IN ('owner', 'link', 'public')),
    -- Random: links and cookies are signed over it, and are good for nothing once it is another one.
    epoch TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (lease_id, port)
);
-- Tickets by which an owner opens a port once, known only by their hash.
CREATE TABLE port_tickets (
    ticket_hash TEXT PRIMARY KEY,
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    port BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX port_tickets_expiry ON port_tickets (expires_at);
CREATE INDEX port_tickets_lease ON port_tickets (lease_id);
-- The public keys of customers that may log in to a container, and at the jump host on the way to it.
CREATE TABLE ssh_keys (
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    fingerprint TEXT NOT NULL,
    -- Type, base64 and comment.
    line TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (lease_id, fingerprint)
);
CREATE INDEX ssh_keys_fingerprint ON ssh_keys (fingerprint);
