// The running lease API against its own OpenAPI document, by a tester that others wrote:
// every answer has a documented status, type and shape, and bad requests are refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PAYERS } from '../chain/accounts.mjs';
import { signIn } from '../clients/session.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const program = path('../.venv-schemathesis/bin/schemathesis');

let simulator;
let api;

before(async () => {
  simulator = await startSimulator({ timeScale: 0.002 });
  api = await startApi({ simulator, env: { FREE_CALLS_PER_MINUTE: '1000000' } });
});

after(async () => {
  await api?.stop();
  await simulator?.stop();
});

/** Runs the tester to its end and gives what it printed. */
async function schemathesis(args) {
  assert.ok(existsSync(program), 'set up by `cargo xtask setup`');
  const child = spawn(program, ['--config-file', path('../schemathesis/schemathesis.toml'), 'run', ...args], {
    cwd: path('../schemathesis'),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const status = await new Promise((done) => child.once('close', done));
  return { status, output };
}

for (const who of ['somebody who is not signed in', 'somebody who is signed in']) {
  test(`the API keeps to its document for ${who}`, { timeout: 240_000 }, async () => {
    const headers = [];
    if (who.endsWith('is signed in')) {
      const { token } = await signIn(api.url, PAYERS[0]);
      // Signing out in the middle would make the rest a second run without a session.
      headers.push('--header', `Authorization: Bearer ${token}`, '--exclude-operation-id', 'closeSession');
    }
    const { status, output } = await schemathesis([`${api.url}/openapi.json`, ...headers]);
    assert.equal(status, 0, output);
    assert.match(output, /[1-9]\d* passed/, output);
  });
}
