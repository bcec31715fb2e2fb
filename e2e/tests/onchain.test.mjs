// Settlement by a gas key of our own, and what the chain itself says: published clients pay, and a payer who
// spends a payment's nonce on a transfer to himself while the container is made gets nothing, with any facilitator.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { parseAbi } from 'viem';
import { account, FACILITATOR, PAYEE, privateKey, TREASURY } from '../chain/accounts.mjs';
import { START_BALANCE, startChain } from '../chain/chain.mjs';
import { USDC } from '../chain/token.mjs';
import { CLIENTS, tour, wallet } from '../clients/published.mjs';
import { sign, SMALL_LEASE } from '../clients/signed.mjs';
import { startFacilitator } from '../facilitator/facilitator.mjs';
import { until } from '../stack/process.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';
import { assertTour } from './tour.mjs';

const PAYER = 7;
const TRANSFER = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
]);

describe('with a node of the chain', { timeout: 240_000 }, () => {
  const payee = account(PAYEE).address;
  let chain;
  let simulator;
  let started;

  beforeEach(async () => {
    started = [];
    chain = await startChain();
  });
  afterEach(async () => {
    for (const one of started.reverse()) await one.stop();
    await chain?.stop();
  });

  async function running(starting) {
    const one = await starting;
    started.push(one);
    return one;
  }

  /** The lease API, settling by itself or through the reference facilitator; slow enough for an attack in between. */
  async function api(settles, timeScale) {
    simulator = await running(startSimulator({ timeScale }));
    const env = { RPC_URL: chain.rpcUrl };
    if (settles === 'onchain') env.GAS_KEY = privateKey(FACILITATOR);
    const remote = settles !== 'onchain' && (await running(startFacilitator(chain.rpcUrl)));
    return running(startApi({ simulator, facilitator: remote ? remote.url : 'onchain', env }));
  }

  const containers = async () => (await simulator.containers()).length;
  const ready = async (service) => (await fetch(`${service.url}/ready`)).status;

  test('every published client pays a gas key of our own', async () => {
    const service = await api('onchain');
    const { rates } = await (await fetch(`${service.url}/catalog`)).json();
    let received = 0n;
    for (const client of CLIENTS) {
      const cost = assertTour(client, await tour(client, service.url), rates.callFee);
      received += cost;
      assert.equal(await chain.balance(wallet(client)), START_BALANCE - cost);
      assert.equal(await chain.balance(payee), received);
    }
    assert.equal(await ready(service), 200);
  });

  test('an empty gas key makes no container and says so', async () => {
    const service = await api('onchain');
    const signed = await sign(service.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
    await chain.client.setBalance({ address: account(FACILITATOR).address, value: 1n });
    const refused = await signed.send();
    assert.equal(refused.status, 503, JSON.stringify(refused.body));
    assert.equal(await containers(), 0);
    assert.equal(await ready(service), 503);
    await chain.client.setBalance({ address: account(FACILITATOR).address, value: 10n ** 18n });
    assert.equal((await signed.send()).status, 200);
  });

  for (const settles of ['onchain', 'the reference facilitator']) {
    test(`a nonce spent on oneself while the machine is made leases nothing from ${settles}`, async () => {
      const service = await api(settles, 0.3);
      const payer = account(PAYER);
      const signed = await sign(service.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
      const answer = signed.send();
      await until('the container to be under way', async () => (await containers()) > 0, { everyMs: 5 });
      await spendOnOneself(payer, signed.nonce);
      const refused = await answer;
      assert.notEqual(refused.status, 200, JSON.stringify(refused.body));
      await until('the container to be destroyed', async () => (await containers()) === 0, { timeoutMs: 60_000 });
      assert.notEqual((await signed.send()).status, 200);
      assert.equal(await chain.balance(payee), 0n);
      assert.equal(await chain.balance(payer.address), START_BALANCE);
    });
  }

  /** Lets the payer use the nonce of a payment for a transfer of nothing to himself. */
  async function spendOnOneself(payer, nonce) {
    const field = (name, type) => ({ name, type });
    const message = {
      from: payer.address, to: payer.address, value: 0n, validAfter: 0n, validBefore: 2n ** 40n, nonce,
    };
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
    const hash = await chain.client.writeContract({
      account: account(TREASURY), address: USDC, abi: TRANSFER, functionName: 'transferWithAuthorization',
      args: [...Object.values(message), signature],
    });
    const { status } = await chain.client.waitForTransactionReceipt({ hash, pollingInterval: 5 });
    assert.equal(status, 'success');
  }
});
