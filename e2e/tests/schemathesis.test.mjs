// The running services against their own OpenAPI documents, by a tester that other people wrote:
// every answer has a documented status, type and shape, and bad requests are refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PAYERS } from '../chain/accounts.mjs';
import { signIn } from '../clients/session.mjs';
import { startAgent } from '../stack/agent.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const program = path('../.venv-schemathesis/bin/schemathesis');

/** Named, so that the document can say which there are. */
const TEMPLATES = [
  'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst',
  'local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz',
];

let simulator;
let api;
let agent;

before(async () => {
  simulator = await startSimulator({ timeScale: 0.002 });
  api = await startApi({
    simulator,
    env: { FREE_CALLS_PER_MINUTE: '1000000', PVE_OS_TEMPLATE: TEMPLATES.join(',') },
  });
  agent = await startAgent({ api });
});

after(async () => {
  await agent?.stop();
  await api?.stop();
  await simulator?.stop();
});

/** Tests a service against its document, without the excluded operations; fails with the tester's own report. */
async function holds(service, url, { token, leftOut = [] } = {}) {
  assert.ok(existsSync(program), 'set up by `cargo xtask setup`');
  const session = token ? ['--header', `Authorization: Bearer ${token}`] : [];
  const selection = leftOut.flatMap((id) => ['--exclude-operation-id', id]);
  const config = path(`../schemathesis/${service}.toml`);
  const folder = mkdtempSync(join(tmpdir(), 'infra402-schemathesis-')); // it remembers failures where it is started
  const child = spawn(program, ['--config-file', config, 'run', `${url}/openapi.json`, ...session, ...selection], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const status = await new Promise((done) => child.once('close', done));
  rmSync(folder, { recursive: true, force: true });
  assert.equal(status, 0, output);

  const { paths } = await (await fetch(`${url}/openapi.json`)).json();
  delete paths['/openapi.json']; // the tester does not try the document's own address
  const operations = Object.values(paths).flatMap((methods) => Object.keys(methods)).length;
  assert.match(output, new RegExp(`Tested: ${operations - leftOut.length}\\n`), output);
  const [, passed] = /Test cases:\n\s+\d+ generated, (\d+) passed/.exec(output) ?? assert.fail(output);
  assert.ok(Number(passed) > 20 * operations, output);
}

const timeout = 240_000;

test('the lease API keeps to its document for a client that is not signed in', { timeout }, async () => {
  await holds('proxmox-api', api.url);
});

test('the lease API keeps to its document for a client that is signed in', { timeout }, async () => {
  const { token } = await signIn(api.url, PAYERS[0]);
  await holds('proxmox-api', api.url, { token, leftOut: ['closeSession'] }); // which would sign out
});

test('the agent keeps to its document', { timeout }, async () => {
  await holds('agent-api', agent.url);
});
