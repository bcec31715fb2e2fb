// Caddy in front of published ports, with the very files of docs/OPERATIONS.md: a certificate for a published name and for no other,
// pages, event streams and WebSockets through it, and the visitor's own address.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { signIn } from '../clients/session.mjs';
import { pay, SMALL_LEASE } from '../clients/signed.mjs';
import { account } from '../chain/accounts.mjs';
import { freePort, healthy, start, until } from '../stack/process.mjs';
import { faucet, startApi, startSimulator } from '../stack/services.mjs';

const PAYER = 7;
const DOMAIN = 'apps.example.net';
const CADDY = spawnSync('caddy', ['version']).error ? 'Caddy is not installed (Debian: apt-get install caddy)' : false;
/** Another address of this machine, to be told from the proxy's. */
const VISITOR = '127.0.0.9';

const page = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, code]) => code);

/** Tells what it is asked with, streams events, and gives back the bytes of a WebSocket. */
const SERVER = `
import base64, hashlib, http.server, json, threading
following = threading.Event()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.path == '/ws':
            key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            head = 'HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: '
            self.wfile.write((head + accept + '\\r\\n\\r\\n').encode())
            while data := self.rfile.read1(4096):
                self.wfile.write(data)
            self.close_connection = True
        elif self.path == '/events':
            following.clear()
            self.send_response(200)
            self.send_header('Content-Type', 'text/event-stream')
            self.send_header('Connection', 'close')
            self.end_headers()
            self.wfile.write(b'data: 1\\n\\n')
            following.wait(30)
            self.wfile.write(b'data: 2\\n\\n')
        else:
            if self.path == '/next':
                following.set()
            told = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
            self.send_response(200)
            self.send_header('Content-Length', str(len(told)))
            self.end_headers()
            self.wfile.write(told)
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
`;

describe('Caddy in front of published ports', { skip: CADDY, timeout: 240_000 }, () => {
  let simulator, api, ingressPort, token, ctid, url;
  before(async () => {
    simulator = await startSimulator();
    ingressPort = await freePort();
    const env = { INGRESS_PORT: String(ingressPort), GUEST_DOMAIN: DOMAIN, TRUSTED_PROXIES: '1' };
    api = await startApi({ simulator, env });
    await faucet(api, account(PAYER).address);
    const lease = await pay(api.url, PAYER, 'POST', '/lease/container', SMALL_LEASE);
    assert.equal(lease.status, 200, JSON.stringify(lease.body));
    ({ ctid } = lease.body);
    ({ token } = await signIn(api.url, PAYER));
    await until('SSH to work', async () => (await own('GET', 'access')).via === 'ssh', { timeoutMs: 60_000 });
    await own('PUT', 'files?path=/srv/server.py&parents=true', SERVER);
    const begun = await pay(api.url, PAYER, 'POST', `/management/exec/${ctid}`, { command: 'exec python3 /srv/server.py', background: true });
    assert.equal(begun.status, 200, JSON.stringify(begun.body));
    ({ url } = await own('PUT', 'ports/8000', '{"access":"public"}'));
    assert.match(url, /^https:\/\/8000-[0-9a-z]{12}\.apps\.example\.net\/$/);
    await until('the server to listen', async () => (await fetchPlain(hostOf(url))).status === 200);
  });
  after(async () => {
    await api?.stop();
    await simulator?.stop();
  });

  /** The owner asks something of the lease. */
  async function own(method, rest, body) {
    const response = await fetch(`${api.url}/lease/${ctid}/${rest}`, { method, body, headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${rest} answers ${response.status}: ${text}`);
    return text && JSON.parse(text);
  }

  /** A request at the service's own listener, without Caddy. */
  const fetchPlain = (host) => fetch(`http://127.0.0.1:${ingressPort}/ask?domain=${host}`);

  /** Starts Caddy with a documented file; `change` is what has to differ here. */
  async function startCaddy(context, file, change = (text) => text) {
    const folder = mkdtempSync(join(tmpdir(), 'infra402-caddy-'));
    const port = await freePort();
    // Certificates of Caddy's own authority, free ports, and no folder of the user's.
    const options = [
      'admin off', 'local_certs', 'skip_install_trust', 'default_bind 127.0.0.1', `https_port ${port}`, `http_port ${await freePort()}`,
      `storage file_system ${folder}`,
    ].map((line) => `    ${line}\n`).join('');
    let text = change(file).replaceAll('127.0.0.1:4080', `127.0.0.1:${ingressPort}`);
    assert.notEqual(text, change(file), 'the file names the listener of published ports');
    text = text.startsWith('{\n') ? text.replace('{\n', `{\n${options}`) : `{\n${options}}\n${text}`;
    const config = join(folder, 'Caddyfile');
    writeFileSync(config, text);
    const child = start('caddy', 'caddy', ['run', '--adapter', 'caddyfile', '--config', config], { cwd: folder, env: { HOME: folder } });
    context.after(async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    let ca;
    await healthy(child, () => (ca = readFileSync(join(folder, 'pki/authorities/local/root.crt'), 'utf8')));

    /** A request to a host by HTTPS, with Caddy's certificate checked. */
    const send = (host, path, { headers } = {}) => requestHttps({
      host: '127.0.0.1', port, servername: host, ca, path, localAddress: VISITOR, agent: false, headers: { host, ...headers },
      signal: AbortSignal.timeout(60_000),
    });
    const visit = async (host, path, options) => {
      const sent = send(host, path, options);
      sent.end();
      const [response] = await once(sent, 'response');
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString(), peer: response.socket };
    };
    await until('Caddy to answer', async () => (await visit(hostOf(url), '/')).status === 200, { timeoutMs: 30_000 });
    return { send, visit, log: child.log };
  }

  /** A page, a link, an event stream and a WebSocket, as a visitor gets them. */
  async function check({ send, visit }) {
    const host = hostOf(url);
    const told = await visit(host, '/', { headers: { 'x-forwarded-for': '10.9.8.7', 'x-forwarded-proto': 'http' } });
    const seen = JSON.parse(told.text);
    assert.deepEqual(
      [seen['x-forwarded-for'], seen['x-forwarded-proto'], seen['x-forwarded-host'], seen.host],
      [VISITOR, 'https', host, host],
    );

    const events = send(host, '/events');
    events.end();
    const [stream] = await once(events, 'response');
    assert.equal(stream.statusCode, 200);
    const pieces = stream[Symbol.asyncIterator]();
    const piece = async () => (await pieces.next()).value.toString();
    assert.equal(await piece(), 'data: 1\n\n', 'an event comes before the next one is made');
    await visit(host, '/next');
    assert.equal(await piece(), 'data: 2\n\n');

    const opening = send(host, '/ws', {
      headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    });
    opening.end();
    const [, socket] = await once(opening, 'upgrade');
    socket.write('hello');
    const [echo] = await once(socket, 'data');
    assert.equal(echo.toString(), 'hello');
    socket.destroy();

    const { link } = await own('PUT', 'ports/8000', '{"access":"link"}');
    assert.equal((await visit(host, '/')).status, 403);
    const led = await visit(host, link.slice(url.length - 1));
    const [cookie] = led.headers['set-cookie'];
    assert.deepEqual([led.status, led.headers.location], [303, url]);
    assert.match(cookie, /^__Host-infra402-access=.*; Secure/);
    const opened = await visit(host, '/', { headers: { cookie: cookie.split(';')[0] } });
    assert.deepEqual([opened.status, opened.text.includes('infra402')], [200, false]);
    await own('PUT', 'ports/8000', '{"access":"public"}');
  }

  test('with a certificate for each name, asks before it gets one', async (context) => {
    const file = blocks.find((code) => code.includes('on_demand_tls'));
    const caddy = await startCaddy(context, file);
    await check(caddy);
    const bare = hostOf(url).replace('8000-', '');
    assert.equal((await caddy.visit(bare, '/')).status, 200, 'the name without a port');
    for (const unknown of [`8001-${bare}`, `8000-0123456789ab.${DOMAIN}`, `www.${DOMAIN}`, `x.${hostOf(url)}`, 'elsewhere.example.org']) {
      await assert.rejects(caddy.visit(unknown, '/'), (error) => /alert/i.test(error.message), unknown);
    }
  });

  test('with one certificate for all names, leads them all to the service', async (context) => {
    const file = blocks.find((code) => code.includes(`*.${DOMAIN}`));
    // The module for a DNS host is not in Debian's Caddy, and there is no DNS here to prove anything by.
    const change = (text) => {
      const without = text.replace(/ {4}tls \{\n {8}dns .*\n {4}\}\n/, '');
      assert.notEqual(without, text);
      return without;
    };
    const caddy = await startCaddy(context, file, change);
    await check(caddy);
    const unknown = await caddy.visit(`8000-0123456789ab.${DOMAIN}`, '/');
    assert.deepEqual([unknown.status, JSON.parse(unknown.text).error.code], [404, 'not_found']);
    await assert.rejects(caddy.visit('elsewhere.example.org', '/'), (error) => /alert/i.test(error.message));
  });
});

const hostOf = (address) => new URL(address).host;
