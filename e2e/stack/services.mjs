// The project's own binaries as a test runs them: the simulated Proxmox and the lease
// API, on free loopback ports, with nothing from the developer's environment or .env.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { account, PAYEE } from '../chain/accounts.mjs';
import { freePort, healthy, start } from './process.mjs';

/** A built binary, or the one that the variable names. */
export const binary = (variable, name) =>
  process.env[variable] ?? fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));

/** Fast enough for tests, slow enough that a lease takes a noticeable time. */
const TIME_SCALE = 0.03;

/** Starts the simulated Proxmox VE. */
export async function startSimulator({ timeScale = TIME_SCALE } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'infra402-sim-'));
  const file = join(folder, 'connection.json');
  const child = start('pve-sim', binary('INFRA402_PVE_SIM', 'pve-sim'), [
    '--listen', '127.0.0.1:0', '--time-scale', String(timeScale), '--connection-file', file,
  ], { cwd: folder });
  let connection;
  await healthy(child, () => (connection = JSON.parse(readFileSync(file, 'utf8'))));
  const get = (path) => askProxmox(connection, path);
  return {
    connection,
    /** The containers as Proxmox lists them now. */
    containers: () => get(`/nodes/${connection.node}/lxc`),
    /** One container's status, or null once Proxmox no longer has it. */
    async container(ctid) {
      return (await this.containers()).find(({ vmid }) => Number(vmid) === Number(ctid)) ?? null;
    },
    /** Locks a container for good, as a backup does for hours. */
    lock: (ctid, lock) => askProxmox(connection, `/nodes/${connection.node}/lxc/${ctid}/config`, { lock }),
    log: child.log,
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Reads, or with a `form` changes, something of Proxmox. */
function askProxmox({ url, tokenId, tokenSecret, caPem }, path, form) {
  return new Promise((done, failed) => {
    const headers = { authorization: `PVEAPIToken=${tokenId}=${tokenSecret}` };
    if (form) headers['content-type'] = 'application/x-www-form-urlencoded';
    const options = { ca: caPem, headers, method: form ? 'PUT' : 'GET' };
    const sent = request(`${url}/api2/json${path}`, options, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      if (response.statusCode !== 200) return failed(new Error(`Proxmox answers ${response.statusCode} to ${path}`));
      done(JSON.parse(Buffer.concat(chunks).toString()).data);
    });
    sent.once('error', failed);
    sent.end(form && new URLSearchParams(form).toString());
  });
}

/**
 * Starts the lease API on a fresh database. `facilitator` is `demo` or a URL; `env` adds
 * variables. `kill` ends it like a power cut, `end` in good order; `restart` brings it back on the same data.
 */
export async function startApi({ simulator, facilitator = 'demo', env = {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'infra402-api-'));
  const [port, ingressPort, sshPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const { connection } = simulator;
  const environment = {
    PORT: String(port),
    INGRESS_PORT: String(ingressPort),
    SSH_PORT: String(sshPort),
    BIND: '127.0.0.1',
    PUBLIC_BASE_URL: url,
    ADDRESS: account(PAYEE).address,
    NETWORK: 'base-sepolia',
    FACILITATOR: facilitator,
    DATABASE: join(folder, 'infra402.sqlite'),
    PVE_HOST: connection.url,
    PVE_TOKEN_ID: connection.tokenId,
    PVE_TOKEN_SECRET: connection.tokenSecret,
    PVE_FINGERPRINT: connection.fingerprint,
    PVE_NODE: connection.node,
    // The network of the simulated containers begins behind the simulator's proxy.
    GUEST_PROXY: connection.guestProxy,
    RUST_LOG: 'info',
    ...env,
  };
  let child;
  const launch = async () => {
    child = start('proxmox-api', binary('INFRA402_PROXMOX_API', 'proxmox-api'), [], { env: environment, cwd: folder });
    await healthy(child, async () => (await fetch(`${url}/health`)).ok);
  };
  await launch();
  return {
    url,
    kill: () => child.stop('SIGKILL'),
    end: () => child.stop(),
    restart: launch,
    log: () => child.log(),
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Gives a wallet test money on the demo ledger. */
export async function faucet(api, address) {
  const response = await fetch(`${api.url}/demo/faucet`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ address }),
  });
  if (!response.ok) throw new Error(`the faucet answers ${response.status}: ${await response.text()}`);
}
