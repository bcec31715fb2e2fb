-- Whether a lease that was probed is being settled for is the payment's word alone.
UPDATE leases SET state = 'probed' WHERE state IN ('settling', 'unknown');
