// The published clients, each run as a program of its own, as a customer would.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { account, privateKey } from '../chain/accounts.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PYTHON = here('../.venv-v1/bin/python');
const execute = promisify(execFile);

/** Every client: which protocol version it speaks, and the development account that pays. */
export const CLIENTS = [
  { name: '@x402/fetch', version: 2, payer: 3, command: [process.execPath, here('fetch-v2.mjs')] },
  { name: 'x402-fetch', version: 1, payer: 4, command: [process.execPath, here('fetch-v1.mjs')] },
  { name: 'PyPI x402 1.0.0 over httpx', version: 1, payer: 5, command: [PYTHON, here('httpx-v1.py')] },
  { name: 'PyPI x402 1.0.0 over requests', version: 1, payer: 6, command: [PYTHON, here('requests-v1.py')] },
];

/** The tour that runs now, or the last one. */
let previous = Promise.resolve();

/**
 * Lets a client lease, list and renew; answers what it printed. One client runs at a time: the one
 * over httpx gives a paid request five seconds, which a slow machine spends on starting the others.
 */
export function tour(client, baseUrl) {
  const outcome = previous.then(() => run(client, baseUrl));
  previous = outcome.catch(() => {});
  return outcome;
}

async function run(client, baseUrl) {
  const [program, ...args] = client.command;
  const env = { PATH: process.env.PATH, BASE_URL: baseUrl, PRIVATE_KEY: privateKey(client.payer) };
  try {
    const { stdout } = await execute(program, args, { env, timeout: 60_000 });
    return JSON.parse(stdout);
  } catch (error) {
    throw new Error(`${client.name} failed: ${error.stderr || error.message}`);
  }
}

/** The wallet of a client's account. */
export const wallet = (client) => account(client.payer).address;
