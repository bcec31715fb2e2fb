-- Since when the container of a lease is gone from the host, Unix seconds; NULL while it is there. In the store, so that a restart
-- of the service does not begin the ten minutes anew.
ALTER TABLE leases ADD COLUMN missing_since BIGINT;
