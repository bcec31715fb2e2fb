-- Whether the service's own SSH key was laid into the container, 0 or 1. The key is derived from the
-- installation's and the lease's id and is stored nowhere.
ALTER TABLE leases ADD COLUMN ssh_key INTEGER NOT NULL DEFAULT 0;
-- The fingerprints of the container's SSH host keys as the host printed them when it made them, or
-- as the container itself said over its terminal; NULL while none is known.
ALTER TABLE leases ADD COLUMN host_keys TEXT;
