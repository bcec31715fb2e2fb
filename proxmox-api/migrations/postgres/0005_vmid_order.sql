-- Every number that was handed out, by the order of its last use, so that the one freed last is used again last.
CREATE TABLE vmids (
    vmid BIGINT PRIMARY KEY,
    last_use BIGINT NOT NULL
);
CREATE INDEX vmids_order ON vmids (last_use);
INSERT INTO vmids (vmid, last_use)
    SELECT vmid, row_number() OVER (ORDER BY max(updated_at), vmid) FROM leases GROUP BY vmid;
