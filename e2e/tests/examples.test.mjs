// The examples as a newcomer runs them: unmodified, one after the other, against running services.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signIn } from '../clients/session.mjs';
import { binary, startApi, startSimulator } from '../stack/services.mjs';

const run = promisify(execFile);
const examples = (path) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const present = (program) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** Each example: the public development account that it pays with, how it is run, and the programs that the set-up does not install. */
const EXAMPLES = [
  { language: 'typescript', payer: 4, folder: 'typescript', command: ['npm', 'start', '--silent'] },
  { language: 'python', payer: 5, folder: 'python', command: ['.venv/bin/python', 'lease.py'] },
  { language: 'rust', payer: 6, folder: 'rust', command: [binary('INFRA402_EXAMPLE_LEASE', 'examples/lease')] },
  { language: 'curl', payer: 7, folder: 'curl', command: ['./lease.sh'], needs: ['bash', 'curl', 'jq'] },
];

describe('the examples', { timeout: 180_000 }, () => {
  let simulator;
  let api;

  before(async () => {
    simulator = await startSimulator();
    api = await startApi({ simulator });
  });
  after(async () => {
    await api?.stop();
    await simulator?.stop();
  });

  for (const { language, payer, folder, command, needs = [] } of EXAMPLES) {
    const missing = needs.filter((program) => !present(program));
    const skip = missing.length > 0 && `${missing.join(', ')} not installed`;
    test(`${language} leases a container, lists it and runs a command in it`, { skip }, async () => {
      const [program, ...args] = command;
      const env = { PATH: process.env.PATH, HOME: process.env.HOME, BASE_URL: api.url };
      const { stdout, stderr } = await run(program, args, { cwd: examples(folder), env, timeout: 60_000 });

      const hostname = `from-${language}`;
      const [leased, listed, ran] = stdout.trim().split('\n');
      const said = new RegExp(`^leased ${hostname}: container (\\d+), until \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$`).exec(leased);
      assert.ok(said, `${stdout}\n${stderr}`);
      const ctid = Number(said[1]);
      assert.equal(listed, `${ctid}  ${hostname}  active`);
      assert.equal(ran, `exit code 0: hello from ${hostname}`);

      const container = await simulator.container(ctid);
      assert.deepEqual([container.name, container.status], [hostname, 'running']);
      const session = await signIn(api.url, payer);
      assert.deepEqual((await session.leases()).map((lease) => [lease.ctid, lease.hostname]), [[ctid, hostname]]);
      const payments = (await session.payments()).reverse();
      assert.deepEqual(
        payments.map(({ state, operation }) => [state, operation]),
        [['settled', 'POST /lease/container'], ['settled', 'GET /management/list'], ['settled', 'POST /management/exec/{ctid}']],
      );
      assert.ok(payments.every(({ amount }) => BigInt(amount) > 0n), JSON.stringify(payments));
    });
  }

  test('the TypeScript example has the right types', async () => {
    await run('npm', ['run', '--silent', 'check'], { cwd: examples('typescript'), timeout: 60_000 });
  });
});
