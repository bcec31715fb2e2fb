-- Tickets for the console's WebSocket, known only by their hash. One row is used once.
CREATE TABLE console_tickets (
    ticket_hash TEXT PRIMARY KEY,
    lease_id TEXT NOT NULL REFERENCES leases (lease_id),
    wallet TEXT NOT NULL CHECK (wallet = lower(wallet)),
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX console_tickets_expiry ON console_tickets (expires_at);
