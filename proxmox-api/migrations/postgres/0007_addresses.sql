-- The address of PVE_NETWORK that a lease's container has; NULL where it asks a DHCP server. One that was freed rests an hour.
ALTER TABLE leases ADD COLUMN address TEXT;
CREATE UNIQUE INDEX leases_live_address ON leases (address) WHERE address IS NOT NULL AND state <> 'destroyed';
CREATE INDEX leases_address ON leases (updated_at) WHERE address IS NOT NULL;
-- When the container's link may be put on the bridge, Unix seconds: the host's firewall knows its rules by then. NULL once it is.
ALTER TABLE leases ADD COLUMN link_up_at BIGINT;
-- From when the container's network can be used, Unix seconds; NULL where it could from the start.
ALTER TABLE leases ADD COLUMN network_ready_at BIGINT;
