// Real money's path: published clients, a remote facilitator, Circle's token on an EVM.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { account, PAYEE } from '../chain/accounts.mjs';
import { START_BALANCE, startChain } from '../chain/chain.mjs';
import { CLIENTS, tour, wallet } from '../clients/published.mjs';
import { pay, sign, SMALL_LEASE } from '../clients/signed.mjs';
import { startFacilitator } from '../facilitator/facilitator.mjs';
import { until } from '../stack/process.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';
import { assertTour } from './tour.mjs';

describe('with a remote facilitator on a chain', { timeout: 180_000 }, () => {
  const payee = account(PAYEE).address;
  let chain;
  let facilitator;
  let simulator;
  let api;

  before(async () => {
    chain = await startChain();
    facilitator = await startFacilitator(chain.rpcUrl);
    simulator = await startSimulator();
    api = await startApi({ simulator, facilitator: facilitator.url });
  });
  after(async () => {
    await api?.stop();
    await simulator?.stop();
    await facilitator?.stop();
    await chain?.stop();
  });

  for (const client of CLIENTS) {
    test(`${client.name} pays, and exactly the prices change hands`, async () => {
      const { rates } = await (await fetch(`${api.url}/catalog`)).json();
      const received = await chain.balance(payee);
      const outcome = await tour(client, api.url);
      const cost = assertTour(client, outcome, rates.callFee);

      assert.equal(await chain.balance(wallet(client)), START_BALANCE - cost);
      assert.equal(await chain.balance(payee), received + cost);
      const transfers = (await chain.transfersTo(payee)).filter(({ args }) => args.from === wallet(client));
      assert.deepEqual(
        transfers.map(({ transactionHash }) => transactionHash),
        [outcome.lease, outcome.list, outcome.renew].map(({ receipt }) => receipt.transaction),
      );
    });
  }

  describe('ten copies of one signed payment', () => {
    /** Asserts that ten copies led to one container and one transfer, with the same response for every sender. */
    async function assertOne(payer, signed, answers, transfersBefore, hostname) {
      const leased = answers.filter(({ status }) => status === 200);
      const told = JSON.stringify(answers.map(({ status, body }) => [status, body?.error?.code ?? body?.status]));
      const containers = (await simulator.containers()).filter(({ name }) => name === hostname);
      assert.equal(containers.length, 1, told);
      assert.equal(containers[0].status, 'running');
      const transfers = (await chain.transfersTo(payee)).slice(transfersBefore);
      assert.equal(transfers.length, 1, told);
      assert.equal(transfers[0].args.from, account(payer).address);
      assert.equal(transfers[0].args.value, signed.amount);
      assert.ok(leased.every(({ body }) => body.ctid === Number(containers[0].vmid)), told);
      assert.ok(answers.every(({ status }) => [200, 202, 409, 503, 'cut'].includes(status)), told);
      return leased;
    }

    test('sent at once lease one container for one transfer', async () => {
      const payer = 7;
      const transfersBefore = (await chain.transfersTo(payee)).length;
      const signed = await sign(api.url, payer, 'POST', '/lease/container', { ...SMALL_LEASE, hostname: 'e2e-ten' });
      const answers = await Promise.all(Array.from({ length: 10 }, () => signed.send()));
      const leased = await assertOne(payer, signed, answers, transfersBefore, 'e2e-ten');
      assert.ok(leased.length >= 1, 'one client has the lease');
    });

    test('of which five come after a restart lease one container for one transfer', async () => {
      const payer = 8;
      const transfersBefore = (await chain.transfersTo(payee)).length;
      const signed = await sign(api.url, payer, 'POST', '/lease/container', { ...SMALL_LEASE, hostname: 'e2e-restart' });
      const early = await Promise.all(Array.from({ length: 5 }, () => signed.send()));
      await api.kill();
      await api.restart();
      const late = await Promise.all(Array.from({ length: 5 }, () => signed.send()));
      await assertOne(payer, signed, [...early, ...late], transfersBefore, 'e2e-restart');
    });

    test('of which five are cut off by a crash in the middle lease one container for one transfer', async () => {
      const payer = 9;
      const transfersBefore = (await chain.transfersTo(payee)).length;
      const signed = await sign(api.url, payer, 'POST', '/lease/container', { ...SMALL_LEASE, hostname: 'e2e-crash' });
      const cut = () => ({ status: 'cut' });
      const early = Array.from({ length: 5 }, () => signed.send().catch(cut));
      await until(
        'the container to be under way',
        async () => (await simulator.containers()).some(({ name }) => name === 'e2e-crash'),
        { everyMs: 5 },
      );
      await api.kill();
      await api.restart();
      const late = await Promise.all(Array.from({ length: 5 }, () => signed.send()));
      // The crash either undid the lease, and a late copy made it anew, or resumed it; both end the same way.
      await until('one transfer', async () => (await chain.transfersTo(payee)).length > transfersBefore, { timeoutMs: 40_000 });
      await until('the lease to be told', async () => {
        const copy = await signed.send();
        return copy.status === 200 || copy.status === 409;
      });
      await assertOne(payer, signed, [...(await Promise.all(early)), ...late], transfersBefore, 'e2e-crash');
    });
  });

  test('a payment for one call buys no other', async () => {
    const payer = 9;
    const balance = await chain.balance(account(payer).address);
    const signed = await sign(api.url, payer, 'GET', '/management/list');
    const stolen = await signed.send({ other: { path: '/lease/container', method: 'POST', body: SMALL_LEASE } });
    assert.ok([402, 409].includes(stolen.status), JSON.stringify(stolen.body));
    assert.equal(await chain.balance(account(payer).address), balance);
    assert.equal((await pay(api.url, payer, 'GET', '/management/list')).status, 200);
  });
});
