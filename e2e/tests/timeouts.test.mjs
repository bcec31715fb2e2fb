// A client that gives up after five seconds, against a Proxmox that is as slow as the real one.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { account, privateKey } from '../chain/accounts.mjs';
import { signIn } from '../clients/session.mjs';
import { faucet, startApi, startSimulator } from '../stack/services.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PYTHON = here('../.venv-v1/bin/python');
const run = promisify(execFile);

describe('a client that gives up sooner than a lease takes', { timeout: 180_000 }, () => {
  let simulator;
  let api;

  before(async () => {
    simulator = await startSimulator({ timeScale: 1 });
    api = await startApi({ simulator });
  });
  after(async () => {
    await api?.stop();
    await simulator?.stop();
  });

  async function lease(payer, prefer) {
    await faucet(api, account(payer).address);
    const env = { PATH: process.env.PATH, BASE_URL: api.url, PRIVATE_KEY: privateKey(payer), PREFER: prefer };
    const { stdout } = await run(PYTHON, [here('../clients/timeouts-v1.py')], { env, timeout: 120_000 });
    return JSON.parse(stdout);
  }

  /** One container with its password, paid for once. */
  async function assertOneLease(payer, outcome) {
    const { statuses, body, receipt } = outcome;
    assert.equal(statuses.at(-1), 200, JSON.stringify(outcome));
    assert.match(body.password, /^[0-9A-Za-z]{20}$/);
    assert.equal(receipt.success, true);
    assert.equal((await simulator.container(body.ctid)).status, 'running');
    const session = await signIn(api.url, payer);
    const payments = await session.payments();
    assert.deepEqual(payments.map(({ state }) => state), ['settled']);
    assert.equal(payments[0].transaction, receipt.transaction);
    assert.equal((await session.leases()).length, 1);
  }

  test('gets the machine by its key when it asks for an early answer', async () => {
    const outcome = await lease(5, 'respond-async');
    assert.equal(outcome.statuses[0], 202, JSON.stringify(outcome.statuses));
    assert.ok(outcome.statuses.every((status) => status === 202 || status === 200), JSON.stringify(outcome.statuses));
    await assertOneLease(5, outcome);
  });

  test('gets the same machine by its key after it has given up', async () => {
    const outcome = await lease(6, '');
    assert.equal(typeof outcome.statuses[0], 'string', `it did not give up: ${JSON.stringify(outcome.statuses)}`);
    await assertOneLease(6, outcome);
  });
});
