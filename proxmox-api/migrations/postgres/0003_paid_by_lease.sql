-- What was paid for each lease of a wallet, without going through everything that the wallet ever paid.
CREATE INDEX payments_paid ON payments (payer, lease_id, state, amount) WHERE lease_id IS NOT NULL;
