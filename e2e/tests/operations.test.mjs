// The examples in docs/OPERATIONS.md that an operator copies: paths that a proxy closes, and systemd users and files.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (name) => readFileSync(path.join(ROOT, name), 'utf8');
const page = read('docs/OPERATIONS.md');
const SERVICES = ['proxmox-api', 'agent-api', 'web-ui'];
/** The code blocks of the page that hold a text. */
const blocks = (text) => [...page.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, code]) => code).filter((code) => code.includes(text));

describe('docs/OPERATIONS.md', () => {
  test('closes the metrics of every service behind Caddy and nginx', () => {
    const [caddy] = blocks('flush_interval');
    const sites = [...caddy.matchAll(/^\S+ \{\n(.*?)^\}/gms)].map(([, site]) => site);
    const ports = sites.map((site) => site.match(/reverse_proxy 127\.0\.0\.1:(\d+)/)[1]);
    assert.deepEqual(ports, ['4021', '8000', '3000']);
    for (const site of sites) assert.match(site, /^ +respond \/metrics 404$/m);
    const [nginx] = blocks('proxy_pass');
    assert.match(nginx, /location = \/metrics \{ deny all; \}/);
  });

  test('gives each service a user, a folder and a file of settings of its own', () => {
    const [unit] = blocks('[Service]');
    for (const line of ['User=infra402-%i', 'WorkingDirectory=/etc/infra402/%i', 'StateDirectory=infra402/%i', 'StateDirectoryMode=0700']) {
      assert.ok(unit.split('\n').includes(line), line);
    }
    assert.doesNotMatch(unit, /EnvironmentFile/);
  });

  test('hands no service the secrets of another', () => {
    const [install] = blocks('useradd');
    const split = install.match(/sed -n "(.*)" \.example\.env/)[1];
    const named = SERVICES.map((service) => {
      const expression = split.replaceAll('$service', service);
      const own = execFileSync('sed', ['-n', expression, '.example.env'], { cwd: ROOT, encoding: 'utf8' });
      return new Set([...own.matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name));
    });
    const [lease, agent, web] = named;
    for (const secret of ['GAS_KEY', 'PVE_TOKEN_SECRET', 'CDP_API_KEY_SECRET', 'PVE_ROOT_PASSWORD', 'DATABASE']) {
      assert.deepEqual([lease, agent, web].map((names) => names.has(secret)), [true, false, false], secret);
    }
    for (const secret of ['OPENAI_API_KEY', 'LLM_API_KEY', 'AGENT_SECRET']) {
      assert.deepEqual([lease, agent, web].map((names) => names.has(secret)), [false, true, false], secret);
    }
    assert.ok([...web].every((name) => !/SECRET|PASSWORD|(?<!RPC_)KEY/.test(name)), [...web].join());
  });

  test('has a unit that systemd accepts for each service', (context) => {
    if (spawnSync('systemd-analyze', ['--version']).error) return context.skip('systemd-analyze is not installed (Debian: apt-get install systemd)');
    const folder = mkdtempSync(path.join(tmpdir(), 'infra402-unit-'));
    try {
      const [unit] = blocks('[Service]');
      // The programs are not installed here.
      const text = unit.replace('ExecStart=/usr/local/bin/%i', 'ExecStart=/bin/true');
      assert.notEqual(text, unit);
      writeFileSync(path.join(folder, 'infra402@.service'), text);
      for (const service of SERVICES) {
        const file = path.join(folder, `infra402@${service}.service`);
        const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
        const about = stderr.split('\n').filter((line) => line.includes('infra402'));
        assert.deepEqual([status, about], [0, []], stderr);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
