// A facilitator that refuses, is down, crashes, or answers too late: the customer is never
// charged without a container, and never asked to pay again for money that has moved.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { account, PAYEE } from '../chain/accounts.mjs';
import { startChain } from '../chain/chain.mjs';
import { signIn } from '../clients/session.mjs';
import { pay, sign, SMALL_LEASE } from '../clients/signed.mjs';
import { startFacilitator } from '../facilitator/facilitator.mjs';
import { until } from '../stack/process.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';

const PAYER = 3;
const SETTLE_TIMEOUT_SECONDS = 1;

describe('with a facilitator that misbehaves', { timeout: 240_000 }, () => {
  const payee = account(PAYEE).address;
  let chain;
  let facilitator;
  let simulator;
  let api;

  beforeEach(async () => {
    chain = await startChain();
    facilitator = await startFacilitator(chain.rpcUrl);
    simulator = await startSimulator();
    api = await startApi({
      simulator,
      facilitator: facilitator.url,
      env: { FACILITATOR_TIMEOUT_SECONDS: String(SETTLE_TIMEOUT_SECONDS), RPC_URL: chain.rpcUrl },
    });
  });
  afterEach(async () => {
    await api?.stop();
    await simulator?.stop();
    await facilitator?.stop();
    await chain?.stop();
  });

  const transfers = async () => (await chain.transfersTo(payee)).length;
  const containers = async () => (await simulator.containers()).length;
  const lease = () => pay(api.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);

  /** The lease of a payment whose settlement was not reported: it becomes active, for one transfer. */
  async function assertDeliveredOnce(signed) {
    const session = await signIn(api.url, PAYER);
    const lease = await until(
      'the lease to be active',
      async () => {
        const [lease] = await session.leases();
        return lease?.status === 'active' && lease;
      },
      { timeoutMs: 60_000 },
    );
    assert.equal((await simulator.container(lease.ctid)).status, 'running');
    assert.deepEqual((await session.payments()).map(({ state }) => state), ['settled']);
    assert.equal(await transfers(), 1);
    const again = await signed.send();
    assert.ok([200, 409].includes(again.status), `sent again: ${again.status} ${JSON.stringify(again.body)}`);
    assert.equal(await transfers(), 1);
    assert.equal(await containers(), 1);
  }

  test('a refused settlement costs nothing and leaves no container', async () => {
    await facilitator.control({ refuseSettle: 'insufficient_funds' });
    const refused = await lease();
    assert.equal(refused.status, 402, JSON.stringify(refused.body));
    assert.match(JSON.stringify([refused.body, refused.receipt]), /insufficient_funds/);
    assert.equal(refused.receipt?.success, false, 'the refusal has a receipt that says so');
    await until('the container to be destroyed', async () => (await containers()) === 0);
    assert.equal(await transfers(), 0);

    await facilitator.control({});
    const leased = await lease();
    assert.equal(leased.status, 200, JSON.stringify(leased.body));
    assert.equal(await transfers(), 1);
  });

  test('a refused verification makes no container at all', async () => {
    await facilitator.control({ refuseVerify: 'invalid_exact_evm_insufficient_balance' });
    const refused = await lease();
    assert.equal(refused.status, 402, JSON.stringify(refused.body));
    assert.match(JSON.stringify(refused.body), /invalid_exact_evm_insufficient_balance/);
    assert.equal((await facilitator.counts()).settle, 0);
    assert.equal(await containers(), 0);
  });

  test('a facilitator that is away is not the customer’s fault, and the same payment works when it is back', async () => {
    const signed = await sign(api.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
    await facilitator.kill();
    const failed = await signed.send();
    assert.ok([502, 503].includes(failed.status), `${failed.status} ${JSON.stringify(failed.body)}`);
    assert.equal(await containers(), 0);

    facilitator = await startFacilitator(chain.rpcUrl, facilitator.port);
    const leased = await until('the same payment to be accepted', async () => {
      const answer = await signed.send();
      return answer.status === 200 && answer;
    });
    assert.equal(leased.body.status, 'active');
    assert.equal(await transfers(), 1);
    assert.equal(await containers(), 1);
  });

  test('a facilitator that answers after our timeout, having settled, leads to one lease for one transfer', async () => {
    const signed = await sign(api.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
    await facilitator.control({ delayAfterSettleMs: SETTLE_TIMEOUT_SECONDS * 1_000 + 1_500 });
    const answer = await signed.send();
    assert.ok([202, 503].includes(answer.status), `never a 402: ${answer.status} ${JSON.stringify(answer.body)}`);
    assert.equal(await transfers(), 1);
    await facilitator.control({});
    await assertDeliveredOnce(signed);
  });

  test('a facilitator that dies having settled leads to one lease for one transfer once it is back', async () => {
    const signed = await sign(api.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
    await facilitator.control({ dieAfterSettle: true });
    const answer = await signed.send();
    assert.ok([202, 503].includes(answer.status), `never a 402: ${answer.status} ${JSON.stringify(answer.body)}`);
    assert.equal(await facilitator.exited, 'SIGKILL');
    assert.equal(await transfers(), 1);
    facilitator = await startFacilitator(chain.rpcUrl, facilitator.port);
    await assertDeliveredOnce(signed);
  });

  test('a renewal whose settlement was not reported is performed once, for one transfer', async () => {
    const leased = await lease();
    assert.equal(leased.status, 200, JSON.stringify(leased.body));
    const path = `/lease/${leased.body.ctid}/renew`;
    const signed = await sign(api.url, PAYER, 'POST', path, { runtimeMinutes: 30 });
    await facilitator.control({ dieAfterSettle: true });
    const answer = await signed.send();
    assert.ok([202, 503].includes(answer.status), `never a 402: ${answer.status} ${JSON.stringify(answer.body)}`);
    facilitator = await startFacilitator(chain.rpcUrl, facilitator.port);
    const session = await signIn(api.url, PAYER);
    await until(
      'the lease to be half an hour longer',
      async () => {
        await signed.send();
        const [lease] = await session.leases();
        return Math.round((Date.parse(lease.expiresAt) - Date.parse(leased.body.expiresAt)) / 60_000) === 30;
      },
      { timeoutMs: 60_000, everyMs: 300 },
    );
    assert.equal(await transfers(), 2);
  });
});
