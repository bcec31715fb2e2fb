// The whole system behind a customer's browser: the simulated Proxmox, the lease API with the demo ledger, the agent with its
// offline assistant, and the interface with its built bundle.

import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, healthy, start } from '../stack/process.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';

const built = (variable, path) => process.env[variable] ?? fileURLToPath(new URL(`../../${path}`, import.meta.url));
const bundle = built('INFRA402_WEB_DIST', 'web-ui/dist');
const server = built('INFRA402_WEB_UI', 'target/debug/web-ui');
const agentService = built('INFRA402_AGENT_API', 'target/debug/agent-api');

const parts = { 'the bundle (cargo xtask web)': join(bundle, 'index.html'), 'web-ui': server, 'agent-api': agentService };
const absent = Object.keys(parts).filter((part) => !existsSync(parts[part]));
/** The files of the bundle whose names contain a hash of their content. */
export const assets = () => readdirSync(join(bundle, 'assets'));
/** Why the interface cannot be tested here, or false. */
export const missing = absent.length > 0 && `not built: ${absent.join(', ')}`;

/** Starts everything; `stop` ends it. `api` and `agent` can be killed and restarted. The services also allow pages from the origins
 *  in `alsoFrom`. */
export async function startSite({ alsoFrom = [] } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const allowed = [url, ...alsoFrom].join(',');
  const started = [];
  const running = async (starting) => {
    const one = await starting;
    started.unshift(one);
    return one;
  };
  const stop = async () => {
    for (const one of started) await one.stop();
  };
  try {
    const simulator = await running(startSimulator());
    const api = await running(startApi({ simulator, env: { ALLOWED_ORIGINS: allowed, PVE_SIMULATED: 'true' } }));
    const agent = await running(startAgent(api.url, allowed));
    const web = await running(start('web-ui', server, [], {
      env: {
        PORT: String(port), BIND: '127.0.0.1', WEB_DIST: bundle, CHAT_API_BASE: agent.url, LEASE_API_BASE: api.url,
        DEFAULT_NETWORK: 'base-sepolia',
      },
      cwd: tmpdir(),
    }));
    await healthy(web, async () => (await fetch(`${url}/ready`)).ok);
    const origins = [url, api.url, agent.url, api.url.replace('http', 'ws')];
    return { url, simulator, api, agent, origins, stop };
  } catch (error) {
    // Programs that go on running would keep the test's process alive.
    await stop();
    throw error;
  }
}

/** The same page from a folder of a plain web server, Python's, with a `config.json` written by hand. */
export async function startElsewhere() {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const url = `${origin}/shop/ui`;
  const site = await startSite({ alsoFrom: [origin] });
  const root = mkdtempSync(join(tmpdir(), 'infra402-static-'));
  const folder = join(root, 'shop/ui');
  cpSync(bundle, folder, { recursive: true });
  const settings = { chatApiBase: site.agent.url, leaseApiBase: site.api.url, defaultNetwork: 'base-sepolia' };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(settings));
  const server = start('static host', 'python3', ['-m', 'http.server', '--bind', '127.0.0.1', String(port)], { cwd: root });
  await healthy(server, async () => (await fetch(`${url}/`)).ok);
  return {
    ...site,
    url,
    origins: [...site.origins, origin],
    async stop() {
      await server.stop();
      rmSync(root, { recursive: true, force: true });
      await site.stop();
    },
  };
}

async function startAgent(apiUrl, origins) {
  const folder = mkdtempSync(join(tmpdir(), 'infra402-agent-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const launch = async () => {
    const child = start('agent-api', agentService, [], {
      env: {
        PORT: String(port), BIND: '127.0.0.1', BACKEND_BASE_URL: apiUrl, ALLOWED_ORIGINS: origins, DATA_DIR: folder,
        LLM_PROVIDER: 'offline', RUST_LOG: 'info', CHAT_CALLS_PER_MINUTE: '100000', CHAT_TURNS_PER_ADDRESS: '64',
      },
      cwd: folder,
    });
    await healthy(child, async () => (await fetch(`${url}/health`)).ok);
    return child;
  };
  let child = await launch();
  return {
    url,
    log: () => child.log(),
    kill: () => child.stop('SIGKILL'),
    restart: async () => void (child = await launch()),
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
