// Starts the remote facilitator as a process of its own, so that it can be killed.

import { fileURLToPath } from 'node:url';
import { freePort, healthy, start } from '../stack/process.mjs';

const MAIN = fileURLToPath(new URL('main.mjs', import.meta.url));

/** Starts a facilitator for the chain behind `rpcUrl`; give `port` to bring a dead one back. */
export async function startFacilitator(rpcUrl, port) {
  port ??= await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = start('facilitator', process.execPath, [MAIN], { env: { RPC_URL: rpcUrl, PORT: String(port) } });
  await healthy(child, async () => (await fetch(`${url}/supported`)).ok);
  const json = async (init) => (await fetch(`${url}/control`, init)).json();
  return {
    url,
    port,
    /** The numbers of verify and settle requests, and of transfers. */
    counts: () => json(),
    /** Switches faults on; those that are not named are off. */
    control: (switches) => json({ method: 'POST', body: JSON.stringify(switches) }),
    kill: () => child.stop('SIGKILL'),
    exited: child.exited,
    stop: () => child.stop(),
    log: child.log,
  };
}
