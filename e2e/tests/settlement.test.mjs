// The set-up in which settlement is tested: Circle's token on a real EVM and the reference facilitator, paid by an
// EIP-3009 authorization.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { account, PAYEE, PAYERS } from '../chain/accounts.mjs';
import { startChain, START_BALANCE } from '../chain/chain.mjs';
import { USDC } from '../chain/token.mjs';
import { startFacilitator } from '../facilitator/facilitator.mjs';

const AMOUNT = 8900n;
const payTo = account(PAYEE).address;
const requirement = {
  scheme: 'exact', network: 'eip155:84532', amount: String(AMOUNT), asset: USDC, payTo,
  maxTimeoutSeconds: 300, extra: { name: 'USDC', version: '2' },
};
let chain, facilitator;
before(async () => {
  chain = await startChain();
  facilitator = await startFacilitator(chain.rpcUrl);
});
after(async () => {
  await facilitator?.stop();
  await chain?.stop();
});

async function pay(payer, value = AMOUNT) {
  const { timestamp } = await chain.client.getBlock();
  const message = {
    from: payer.address, to: payTo, value, validAfter: 0n, validBefore: timestamp + 300n,
    nonce: `0x${randomBytes(32).toString('hex')}`,
  };
  const field = (name, type) => ({ name, type });
  const signature = await payer.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: 84532, verifyingContract: USDC },
    types: {
      TransferWithAuthorization: [
        field('from', 'address'), field('to', 'address'), field('value', 'uint256'),
        field('validAfter', 'uint256'), field('validBefore', 'uint256'), field('nonce', 'bytes32'),
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message,
  });
  const authorization = Object.fromEntries(Object.entries(message).map(([key, v]) => [key, String(v)]));
  const paymentPayload = { x402Version: 2, accepted: requirement, payload: { signature, authorization } };
  return JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: requirement });
}

async function ask(path, body) {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(facilitator.url + path, { method: 'POST', headers, body })).json();
}

test('a signed authorization settles once and moves the money on the chain', async () => {
  const payer = account(PAYERS[0]);
  const body = await pay(payer);
  const verified = await ask('/verify', body);
  assert.equal(verified.isValid, true, JSON.stringify(verified));
  const receipt = await ask('/settle', body);
  assert.equal(receipt.success, true, JSON.stringify(receipt));
  assert.match(receipt.transaction, /^0x[0-9a-f]{64}$/);
  assert.equal(await chain.balance(payer.address), START_BALANCE - AMOUNT);
  assert.equal(await chain.balance(payTo), AMOUNT);
  const again = await ask('/settle', body);
  assert.equal(again.success, false);
  assert.equal(await chain.balance(payTo), AMOUNT);
});

test('another amount than the one asked for is refused and moves nothing', async () => {
  const before = await chain.balance(payTo);
  const verified = await ask('/verify', await pay(account(PAYERS[1]), AMOUNT - 1n));
  assert.equal(verified.isValid, false);
  assert.equal(await chain.balance(payTo), before);
});
