// The whole system with nothing real but the clients: simulated Proxmox, demo ledger.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CLIENTS, tour, wallet } from '../clients/published.mjs';
import { signIn } from '../clients/session.mjs';
import { pay, sign, SMALL_LEASE } from '../clients/signed.mjs';
import { account } from '../chain/accounts.mjs';
import { until } from '../stack/process.mjs';
import { faucet, startApi, startSimulator } from '../stack/services.mjs';
import { assertTour } from './tour.mjs';

describe('with a demo ledger', { concurrency: true, timeout: 180_000 }, () => {
  let simulator;
  let api;
  let callFee;

  before(async () => {
    simulator = await startSimulator();
    api = await startApi({ simulator, env: { LEASE_GRACE_MINUTES: '0.05' } });
    callFee = (await (await fetch(`${api.url}/catalog`)).json()).rates.callFee;
  });
  after(async () => {
    await api?.stop();
    await simulator?.stop();
  });

  for (const client of CLIENTS) {
    test(`${client.name} leases, lists and renews with its default spend limit`, async () => {
      await faucet(api, wallet(client));
      const outcome = await tour(client, api.url);
      const cost = assertTour(client, outcome, callFee);

      const container = await simulator.container(outcome.lease.body.ctid);
      assert.equal(container.status, 'running');
      const payments = await (await signIn(api.url, client.payer)).payments();
      const settled = payments.filter(({ state }) => state === 'settled');
      assert.equal(settled.length, 3);
      assert.equal(settled.reduce((sum, { amount }) => sum + BigInt(amount), 0n), cost);
    });
  }

  test('a lease whose minutes are over is stopped, then destroyed after its grace', async () => {
    const payer = 7;
    await faucet(api, account(payer).address);
    const lease = await pay(api.url, payer, 'POST', '/lease/container', { ...SMALL_LEASE, runtimeMinutes: 1 });
    assert.equal(lease.status, 200, JSON.stringify(lease.body));
    const { ctid, expiresAt } = lease.body;
    const statuses = new Set();
    await until(
      `container ${ctid} to be gone`,
      async () => {
        const container = await simulator.container(ctid);
        if (container) statuses.add(container.status);
        if (container?.status === 'stopped') assert.ok(Date.now() >= Date.parse(expiresAt), 'stopped before its time');
        return !container;
      },
      { timeoutMs: 120_000, everyMs: 100 },
    );
    assert.deepEqual([...statuses], ['running', 'stopped']);
    const session = await signIn(api.url, payer);
    await until('the lease to be called destroyed', async () => {
      const leases = await session.leases();
      return leases.find((known) => known.ctid === ctid)?.status === 'destroyed';
    });
  });

  test('a wallet without money leases nothing and leaves nothing behind', async () => {
    const payer = 9;
    const before = new Set((await simulator.containers()).map(({ vmid }) => Number(vmid)));
    const refused = await pay(api.url, payer, 'POST', '/lease/container', { ...SMALL_LEASE, hostname: 'e2e-poor' });
    assert.equal(refused.status, 402, JSON.stringify(refused.body));
    const added = (await simulator.containers()).filter(({ vmid, name }) => !before.has(Number(vmid)) && name === 'e2e-poor');
    assert.deepEqual(added, []);
    const payments = await (await signIn(api.url, payer)).payments();
    assert.ok(payments.every(({ state }) => state === 'released' || state === 'refused'), JSON.stringify(payments));
  });

  test('a customer who hangs up in the middle of a lease has it all the same', async () => {
    const payer = 8;
    await faucet(api, account(payer).address);
    const body = { ...SMALL_LEASE, hostname: 'e2e-hangup' };
    const signed = await sign(api.url, payer, 'POST', '/lease/container', body);
    const hangUp = new AbortController();
    const answer = signed.send({ signal: hangUp.signal }).then(() => 'answered', () => 'hung up');
    await until(
      'its container to be there',
      async () => (await simulator.containers()).find(({ name }) => name === 'e2e-hangup'),
      { everyMs: 5 },
    );
    hangUp.abort();
    assert.equal(await answer, 'hung up', 'the lease was over before the client could hang up');
    const session = await signIn(api.url, payer);
    const lease = await until('the lease to be active', async () => {
      const [lease] = await session.leases();
      return lease?.status === 'active' && lease;
    });
    assert.equal((await simulator.container(lease.ctid)).status, 'running');
    assert.deepEqual((await session.payments()).map(({ state }) => state), ['settled']);
  });
});
