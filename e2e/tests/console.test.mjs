// The console page in a real browser: typed commands run in the container, the terminal has the screen's size,
// a session goes on after a cut network, and the ticket is stored nowhere.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExactEvmScheme } from '@x402/evm';
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { launch, missing } from '../browser/chromium.mjs';
import { account, PAYERS } from '../chain/accounts.mjs';
import { startCable } from '../stack/cable.mjs';
import { freePort, until } from '../stack/process.mjs';
import { faucet, startApi, startSimulator } from '../stack/services.mjs';

const customer = account(PAYERS[0]);
const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
const pay = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: 'eip155:*', client: new ExactEvmScheme(customer) }],
});
let simulator, api, cable, browser, ctid;

before(async () => {
  if (missing) return;
  simulator = await startSimulator();
  const port = await freePort();
  api = await startApi({ simulator, env: { PUBLIC_BASE_URL: `http://127.0.0.1:${port}` } });
  cable = await startCable(port, Number(new URL(api.url).port));
  browser = await launch();
  await faucet(api, customer.address);
  ({ ctid } = await post('/lease/container', { runtimeMinutes: 30, hostname: 'box' }));
});
after(async () => {
  await browser?.close();
  await cable?.stop();
  await api?.stop();
  await simulator?.stop();
});

async function post(path, body = {}) {
  const headers = { 'content-type': 'application/json' };
  const response = await pay(api.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

/** Opens the page by a bought address; gives it with functions that use its terminal. */
async function openConsole(container = ctid) {
  const { consoleUrl, ticket } = await post(`/management/console/${container}`);
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(consoleUrl);
  const state = () => page.locator('#state').getAttribute('data-state');
  const screen = () => page.locator('.xterm-rows').innerText();
  const shows = (text) => until(`the screen to show ${text}`, async () => (await screen()).includes(text));
  await until('the console to be open', async () => (await state()) === 'open');
  return { page, ticket, complaints, state, screen, shows, type: (text) => page.keyboard.type(`${text}\n`) };
}

test('a command typed in the page runs in the container and the screen has the terminal\'s size', { skip: missing }, async () => {
  const { page, ticket, complaints, screen, shows, type } = await openConsole();
  assert.ok(!page.url().includes(ticket), 'the ticket has left the address');
  await type('echo "$(uname -n) $((6 * 7))"');
  await shows('box 42');
  assert.equal(await page.locator('#name').innerText(), `box (${ctid})`);
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: `${artifacts}console.png` });

  const size = async (word) => {
    await type(`echo "${word.slice(0, 1)}""${word.slice(1)} $(stty size)"`);
    const found = await until('the size', async () => (await screen()).match(new RegExp(`${word} (\\d+) (\\d+)`)));
    return { rows: Number(found[1]), columns: Number(found[2]) };
  };
  const large = await size('large');
  await page.setViewportSize({ width: 600, height: 400 });
  const small = await until('a smaller size', async () => {
    const now = await size(`small${Date.now()}`);
    return now.columns < large.columns && now.rows < large.rows && now;
  });
  assert.ok(small.columns >= 40 && small.rows >= 10, JSON.stringify({ large, small }));
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a cut network is a pause: the page comes back to the same shell by itself, without paying', { skip: missing }, async () => {
  const { page, state, shows, type } = await openConsole();
  await type('word=kept; echo "set$((1 + 1))"');
  await shows('set2');
  cable.cut();
  await until('the page to notice', async () => (await state()) !== 'open');
  assert.match(await page.locator('#state').innerText(), /reconnecting|Connecting/);
  cable.mend();
  await until('the page to be back', async () => (await state()) === 'open');
  await type('echo "$word$((1 + 1))"');
  await shows('kept2');
  // A reload resumes the session as well.
  await page.reload();
  await until('the reloaded page to be back', async () => (await state()) === 'open');
  await type('echo "$word$((2 + 2))"');
  await shows('kept4');
  await page.close();
});

test('a restart of the service is a pause as well, where the shell is that of the terminal', { skip: missing }, async () => {
  const { templates } = await (await fetch(`${api.url}/catalog`)).json();
  const template = templates.map(({ name }) => name).find((name) => name.includes('alpine'));
  const plain = await post('/lease/container', { runtimeMinutes: 30, hostname: 'plain', template });
  const { page, state, shows, type } = await openConsole(plain.ctid);
  await type('word=kept; echo "set$((1 + 1))"');
  await shows('set2');
  const begin = Date.now();
  await api.end();
  assert.ok(Date.now() - begin < 10_000, 'an open console does not hold the service up');
  await until('the page to notice', async () => (await state()) !== 'open');
  await api.restart();
  await until('the page to be back', async () => (await state()) === 'open');
  await type('echo "$word$((1 + 1))"');
  await shows('kept2');
  assert.equal(api.log().includes('ERROR'), false, api.log());
  await page.close();
});

test('after a restart of the service a shell over SSH is a new one, and says so', { skip: missing }, async () => {
  const { page, state, shows, type } = await openConsole();
  await type('word=kept; echo "set$((1 + 1))"');
  await shows('set2');
  await api.end();
  await until('the page to notice', async () => (await state()) !== 'open');
  await api.restart();
  await until('the page to be back', async () => (await state()) === 'open');
  await shows('this is a new one');
  await type('echo "${word:-empty}$((1 + 1))"');
  await shows('empty2');
  await page.close();
});

test('a page without a ticket, or with one that was used, says so', { skip: missing }, async () => {
  const { page, ticket } = await openConsole();
  const other = await browser.newPage();
  await other.goto(`${new URL(page.url()).origin}/console#ticket=${ticket}`);
  await until('the page to be closed', async () => (await other.locator('#state').getAttribute('data-state')) === 'closed');
  assert.match(await other.locator('#state').innerText(), /used or too old/);
  await other.goto('about:blank');
  await other.goto(`${new URL(page.url()).origin}/console`);
  await until('the page to be closed', async () => (await other.locator('#state').getAttribute('data-state')) === 'closed');
  assert.equal(await page.locator('#state').getAttribute('data-state'), 'open');
  await page.close();
  await other.close();
});
