-- What ends leases and compares them with Proxmox asks for often, found among the leases that are
-- concerned and not among all that ever were.
CREATE INDEX leases_destroy ON leases (state, destroy_at) WHERE state = 'stopped';
CREATE INDEX leases_unwarned ON leases (state, warned_at, expires_at) WHERE state = 'active';
CREATE INDEX leases_link ON leases (link_up_at) WHERE link_up_at IS NOT NULL;
-- What is the matter with the lease's container, for the replicas that do not compare themselves;
-- NULL while it is as it should be.
ALTER TABLE leases ADD COLUMN trouble TEXT;
CREATE INDEX leases_trouble ON leases (trouble) WHERE trouble IS NOT NULL AND state <> 'destroyed';
