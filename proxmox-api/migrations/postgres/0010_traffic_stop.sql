-- The last step of a lease's traffic: its container is stopped.
ALTER TABLE traffic DROP CONSTRAINT traffic_step_check;
ALTER TABLE traffic ADD CONSTRAINT traffic_step_check CHECK (step IN ('full', 'slowed', 'cut', 'stopped'));
-- For how long it was seen running while it was cut off, in seconds; it is stopped after some hours of that.
ALTER TABLE traffic ADD COLUMN cut_seconds BIGINT NOT NULL DEFAULT 0;
