// docker-compose.yml and Dockerfile: the services that are started, their restrictions and their variables; and, where
// there is an engine, the whole demo from its images.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { account } from '../chain/accounts.mjs';
import { pay, SMALL_LEASE } from '../clients/signed.mjs';
import { compose, config, file, lint } from '../compose/stack.mjs';
import { freePort } from '../stack/process.mjs';
import { binary, faucet } from '../stack/services.mjs';

const DEMO = ['demo-agent-api', 'demo-proxmox-api', 'demo-web-ui', 'pve-sim'];
const REAL = ['agent-api', 'proxmox-api', 'web-ui'];
const BINARIES = {
  'agent-api': 'INFRA402_AGENT_API',
  'proxmox-api': 'INFRA402_PROXMOX_API',
  'pve-sim': 'INFRA402_PVE_SIM',
  'web-ui': 'INFRA402_WEB_UI',
};
/** Decided by the image, because they name places and addresses inside it. */
const OF_THE_IMAGE = ['BIND', 'PORT', 'DATABASE', 'DATA_DIR', 'WEB_DIST'];

const program = (service) => service.build.target;
const help = (name) => execFileSync(binary(BINARIES[name], name), ['--help'], { encoding: 'utf8' });
/** Every variable that a service's help mentions, the `_FILE` variables of its secrets too. */
const known = (name) => new Set(help(name).match(/\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)*\b/g));
/** The variables that its help lists. */
const listed = (name) => [...help(name).matchAll(/^ {2}([A-Z][A-Z0-9_]+) \(/gm)].map(([, variable]) => variable);

describe('docker-compose.yml', () => {
  const everything = Object.entries(config({}, '--profile', '*').services);

  test('starts the demo where nothing is chosen, and nothing simulated where real is', () => {
    const started = (...of) => Object.keys(config(...of).services).sort();
    assert.deepEqual(started({}), DEMO);
    assert.deepEqual(started({}, '--profile', 'demo'), DEMO);
    assert.deepEqual(started({}, '--profile', 'real'), REAL);
    assert.deepEqual(started({ COMPOSE_PROFILES: 'real' }), REAL);
    assert.deepEqual(everything.map(([name]) => name).sort(), [...DEMO, ...REAL].sort());
  });

  for (const [name, service] of everything) {
    test(`confines ${name}, limits it and looks after it`, () => {
      const [uid, gid] = service.user.split(':').map(Number);
      assert.ok(uid > 0 && gid > 0, service.user);
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
      for (const right of ['cap_add', 'privileged', 'devices', 'network_mode', 'pid', 'ipc']) {
        assert.equal(service[right], undefined, right);
      }
      assert.equal(service.restart, 'unless-stopped');
      const { cpus, memory, pids } = service.deploy.resources.limits;
      assert.ok(cpus > 0 && Number(memory) > 0 && pids > 0, JSON.stringify(service.deploy));
      const question = program(service) === 'pve-sim' ? '--health' : 'health';
      assert.deepEqual(service.healthcheck.test, ['CMD', program(service), question]);
      for (const { type } of service.volumes ?? []) assert.equal(type, 'volume');
    });

    test(`tells ${name} nothing that it does not know`, () => {
      const understood = known(program(service));
      const told = Object.keys(service.environment);
      assert.deepEqual(told.filter((variable) => !understood.has(variable)), []);
    });

    test(`publishes ${name} on loopback alone unless BIND says otherwise`, () => {
      const hosts = (settings) =>
        (config(settings, '--profile', '*').services[name].ports ?? []).map(({ host_ip: host }) => host);
      // The real lease API has its visitors' and its jump host's port beside its own.
      const count = { 'pve-sim': 0, 'proxmox-api': 3 }[name] ?? 1;
      assert.deepEqual(hosts({}), Array(count).fill('127.0.0.1'));
      assert.deepEqual(hosts({ BIND: '192.0.2.7' }), Array(count).fill('192.0.2.7'));
    });
  }

  for (const name of REAL) {
    test(`passes on every setting of the real ${name}`, () => {
      const { environment } = config({}, '--profile', 'real').services[name];
      const missing = listed(name).filter((variable) => !(variable in environment) && !OF_THE_IMAGE.includes(variable));
      assert.deepEqual(missing, []);
    });
  }

  test('hands a secret over as a file, and an address as it is', () => {
    const settings = { PVE_HOST: 'https://192.0.2.1:8006', PVE_TOKEN_SECRET_FILE: '/etc/infra402/token' };
    const { secrets, services } = config(settings, '--profile', 'real');
    const { environment } = services['proxmox-api'];
    assert.equal(environment.PVE_HOST, settings.PVE_HOST);
    assert.equal(environment.PVE_TOKEN_SECRET_FILE, '/run/secrets/pve_token_secret');
    assert.equal(secrets.pve_token_secret.file, settings.PVE_TOKEN_SECRET_FILE);
    // A variable that .env does not name stays unset, and its secret's file is empty.
    assert.equal(environment.GAS_KEY_FILE, '');
    assert.equal(secrets.gas_key.file, '/dev/null');
    // Each service gets the secrets that it reads and no others.
    for (const service of Object.values(services)) {
      const files = Object.keys(service.environment).filter((variable) => variable.endsWith('_FILE'));
      const wanted = files.map((variable) => variable.replace(/_FILE$/, '').toLowerCase());
      assert.deepEqual((service.secrets ?? []).map(({ source }) => source).sort(), wanted.sort());
    }
  });

  test('moves the addresses that browsers are told with the published ports', () => {
    const { services } = config({ PORT: '5021', AGENT_PORT: '5000', WEB_PORT: '5080' });
    assert.equal(services['demo-web-ui'].environment.LEASE_API_BASE, 'http://127.0.0.1:5021');
    assert.equal(services['demo-web-ui'].environment.CHAT_API_BASE, 'http://127.0.0.1:5000');
    assert.equal(services['demo-proxmox-api'].environment.PUBLIC_BASE_URL, 'http://127.0.0.1:5021');
    for (const name of ['demo-proxmox-api', 'demo-agent-api']) {
      assert.equal(services[name].environment.ALLOWED_ORIGINS, 'http://localhost:5080,http://127.0.0.1:5080');
    }
  });
});

describe('the Dockerfile', () => {
  test('has nothing that hadolint finds fault with', () => assert.deepEqual(lint(), []));

  test('has a stage for every image, each from the one that sets the account', () => {
    const stages = new Map([...file('Dockerfile').matchAll(/^FROM (\S+) AS (\S+)$/gm)].map(([, from, name]) => [name, from]));
    const { services } = config({}, '--profile', '*');
    for (const service of Object.values(services)) assert.equal(stages.get(program(service)), 'base', program(service));
    const base = file('Dockerfile').split(/^FROM /m).find((stage) => stage.startsWith('debian:bookworm-slim AS base'));
    assert.match(base, /^USER 10402:10402$/m);
    assert.equal(services['proxmox-api'].user, '10402:10402');
  });
});

const skip = process.env.INFRA402_COMPOSE === '1'
  ? false
  : 'images are not built here: these tests count on no container engine; INFRA402_COMPOSE=1 builds and runs them where one is';

test('the demo leases a container from its images, through the published ports', { skip, timeout: 3_600_000 }, async () => {
  const [PORT, AGENT_PORT, WEB_PORT] = [await freePort(), await freePort(), await freePort()];
  const project = ['--project-name', `infra402-test-${process.pid}`];
  const settings = { PORT, AGENT_PORT, WEB_PORT };
  const api = { url: `http://127.0.0.1:${PORT}` };
  try {
    compose([...project, 'up', '--build', '--detach', '--wait', '--quiet-pull'], settings);
    await faucet(api, account(3).address);
    const lease = await pay(api.url, 3, 'POST', '/lease/container', SMALL_LEASE);
    assert.equal(lease.status, 200, JSON.stringify(lease.body));
    const said = await pay(api.url, 3, 'POST', `/management/exec/${lease.body.ctid}`, { command: 'echo from a container' });
    assert.equal(said.body.stdout, 'from a container\n', JSON.stringify(said.body));
    // A container of Compose cannot confine a real shell, and customers are told which shell answers instead.
    const { simulatorNotice } = await (await fetch(`${api.url}/catalog`)).json();
    assert.match(simulatorNotice, /^Commands run in an imitation of a shell .* this host cannot confine a real one\.$/);
    const settingsOfPage = await (await fetch(`http://127.0.0.1:${WEB_PORT}/config.json`)).json();
    assert.equal(settingsOfPage.leaseApiBase, api.url);
    const info = await (await fetch(`http://127.0.0.1:${AGENT_PORT}/info`)).json();
    assert.equal(info.provider, 'offline');
    // Neither the credential nor anything that could hold it is in a log.
    const token = compose([...project, 'exec', '-T', 'pve-sim', 'cat', '/credentials/token-secret'], settings);
    assert.ok(token.length > 20);
    assert.ok(!compose([...project, 'logs', '--no-color'], settings).includes(token));
  } finally {
    compose([...project, 'down', '--volumes'], settings);
  }
});
