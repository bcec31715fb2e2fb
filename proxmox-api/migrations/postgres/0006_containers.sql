-- The hardware address of net0 that Proxmox chose when the container was made. It tells the lease's container from another one
-- with the same number where an administrator has overwritten the notes.
ALTER TABLE leases ADD COLUMN mac TEXT;
-- When the container was last seen running, Unix seconds; NULL since it was seen, or made, stopped. What ran before its node
-- rebooted is started again.
ALTER TABLE leases ADD COLUMN running_seen_at BIGINT;
-- Containers with this installation's marker that no lease has, and when each was first seen.
CREATE TABLE orphans (
    vmid INTEGER PRIMARY KEY,
    lease_id TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);
