// The checks of a client that leases, lists and renews, with any facilitator.

import assert from 'node:assert/strict';
import { wallet } from '../clients/published.mjs';

/** Checks the outcome of one published client's tour; answers what it cost in atomic USDC. */
export function assertTour(client, { lease, list, renew }, callFee) {
  const answers = JSON.stringify({ lease, list, renew }, null, 1);
  assert.deepEqual([lease.status, list.status, renew.status], [200, 200, 200], answers);
  assert.equal(lease.body.status, 'active');
  assert.equal(lease.body.ownerWallet.toLowerCase(), wallet(client).toLowerCase());

  const listed = list.body.leases.find(({ ctid }) => ctid === lease.body.ctid);
  assert.ok(listed, `the container is on the payer's list: ${answers}`);
  assert.equal(listed.liveStatus, 'running');
  assert.equal(listed.hostname, lease.body.hostname);

  const minutesAdded = (Date.parse(renew.body.expiresAt) - Date.parse(lease.body.expiresAt)) / 60_000;
  assert.equal(Math.round(minutesAdded), 30);

  for (const { receipt } of [lease, list, renew]) {
    assert.equal(receipt.success, true);
    assert.equal(receipt.network, client.version === 1 ? 'base-sepolia' : 'eip155:84532');
    assert.equal(receipt.payer.toLowerCase(), wallet(client).toLowerCase());
    assert.match(receipt.transaction, /^0x[0-9a-f]{64}$/i);
  }
  assert.equal(lease.body.payment.transaction, lease.receipt.transaction);
  return BigInt(lease.body.price.total) + BigInt(renew.body.price.total) + BigInt(callFee);
}
