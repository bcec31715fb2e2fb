// A customer who stays: on a slow connection, in two tabs, over a lost connection and a stopped service, and with their receipts.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

const CHUNK = /\.wasm$/;

inBrowser('a customer who stays', (stage) => {
  let site;
  before(() => ({ site } = stage));


  test('sees the question and that an answer is coming, however slow the line is', async () => {
    let held = [];
    const hold = (page) => page.route(CHUNK, (route) => (/app-/.test(route.request().url()) ? route.fallback() : held.push(route)));
    const customer = await stage.visit({ before: hold });
    const { page } = customer;
    await page.locator('.suggestion', { hasText: 'How busy' }).click();
    await page.locator('.question', { hasText: 'How busy is the node?' }).waitFor({ timeout: 1000 });
    await page.locator('.thinking', { hasText: 'Thinking…' }).waitFor({ timeout: 1000 });
    assert.equal(await page.locator('.welcome').count(), 0);
    const waiting = held;
    held = { push: (route) => route.fallback() };
    for (const route of waiting) await route.fallback();
    await customer.button('Copy answer').waitFor();
    assert.equal(await page.locator('.question').count(), 1);
  });

  test('has one wallet and one session in all tabs', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    const other = await customer.context.newPage();
    await other.goto(`${site.url}/#/leases`);
    await other.getByText('Connect your wallet').first().waitFor();
    await customer.listensToOtherTabs(other);
    await customer.useBurner(33);
    const label = await page.locator('.wallet-button').innerText();
    assert.match(label, /^0x/);
    await until('the other tab to be connected', async () => (await other.locator('.wallet-button').innerText()) === label);
    await customer.signIn();
    await other.getByText('Nothing leased yet').waitFor();
    await page.locator('.wallet-button').click();
    await customer.button('Sign out', page.locator('.wallet-dialog')).click();
    await other.getByRole('button', { name: 'Sign in' }).waitFor();
    await customer.button('Disconnect', page.locator('.wallet-dialog')).click();
    await other.locator('.wallet-button', { hasText: 'Connect wallet' }).waitFor();
  });

  test('reads times in their own zone, and for which container a payment was', async () => {
    const inTokyo = async (page) => {
      const client = await page.context().newCDPSession(page);
      await client.send('Emulation.setTimezoneOverride', { timezoneId: 'Asia/Tokyo' });
    };
    const customer = await stage.visitWithMoney(34, { before: inTokyo });
    const { page } = customer;
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const until = customer.lease(ctid).locator('time');
    const [shown, utc, exact] = [await until.innerText(), await until.getAttribute('title'), await until.getAttribute('datetime')];
    const minute = (date) => date.toISOString().slice(0, 16).replace('T', ' ');
    assert.equal(utc, `${minute(new Date(exact))} UTC`);
    assert.equal(shown, minute(new Date(Date.parse(exact) + 9 * 3_600_000)));
    const name = await customer.lease(ctid).locator('.lease-head h2').innerText();

    await customer.go('Receipts');
    const row = page.locator('.receipts tbody tr').first();
    assert.equal(await row.locator('[data-label=Container]').innerText(), `${name} ${ctid}`);
    const saved = async (button) => {
      const [download] = await Promise.all([page.waitForEvent('download'), customer.button(button).click()]);
      return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
    };
    const file = await saved('Download JSON');
    assert.equal(file.name, 'infra402-receipts.json');
    const [payment] = JSON.parse(file.text);
    assert.equal(payment.operation, 'POST /lease/container');
    assert.match((await saved('Download CSV')).text, /^created,/);
    await customer.picture('receipts-container');
    const asked = page.waitForRequest(/\/payments/);
    await customer.button('Refresh').click();
    await asked;
  });

  test('sees the lease that ends soonest first, and a card stays in place while the customer types in it', async () => {
    const customer = await stage.visitWithMoney(35);
    const { page } = customer;
    await customer.go('Leases');
    const slider = page.locator('.lease-form').getByRole('slider', { name: 'Time' });
    await slider.press('End');
    const long = await customer.leaseContainer();
    await slider.press('Home');
    const short = await customer.leaseContainer();
    await customer.signIn();
    const order = () => page.locator('.lease-grid').first().locator('.lease-head .tag').allInnerTexts();
    await until('both', async () => (await order()).length === 2);
    assert.deepEqual(await order(), [String(short), String(long)]);
    // From now on the shorter lease has expired, and its data is kept for a day.
    const day = 86_400_000;
    const at = (distance) => new Date(Date.now() + distance).toISOString().replace(/\.\d+/, '');
    await page.route(`${site.api.url}/leases*`, async (route) => {
      const answer = await route.fetch();
      const body = await answer.json();
      const over = (lease) => ({ ...lease, status: 'stopped', expiresAt: at(-60_000), destroysAt: at(day) });
      const leases = body.leases.map((lease) => (lease.ctid === short ? over(lease) : lease));
      await route.fulfill({ response: answer, json: { ...body, leases } });
    });
    const card = customer.lease(short);
    await customer.button('Renew', card).click();
    await card.getByRole('slider').focus();
    await card.getByText('Data deleted in').waitFor({ timeout: 30_000 });
    assert.deepEqual(await order(), [String(short), String(long)], 'no card moves while the customer uses it');
    const meter = card.getByRole('meter', { name: 'Time until its data is deleted' });
    assert.match(await meter.getAttribute('aria-valuetext'), /^Data deleted in /);
    await customer.picture('lease-over');
    await page.locator('.lease-form').getByRole('slider', { name: 'Cores' }).focus();
    await until('the expired lease to be last', async () => (await order()).join() === `${long},${short}`);
  });

  test('comes back to a terminal that shows what it did, and its prompt', async () => {
    const customer = await stage.visitWithMoney(36, { expected: [/WebSocket|ERR_CONNECTION|Failed to load/] });
    const { page } = customer;
    // Alpine has no SSH server: its terminal is the container's own, which outlives a restart of the service.
    await customer.go('Leases');
    const form = page.locator('.lease-form');
    await form.getByText('Name and system').click();
    const alpine = await form.locator('select option', { hasText: /alpine/i }).first().getAttribute('value');
    await form.getByLabel('System').selectOption(alpine);
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    await customer.button('Terminal', customer.lease(ctid)).click();
    await customer.payButton(await customer.slip()).click();
    const dialog = page.locator('.terminal-dialog');
    const open = () => dialog.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    await open();
    const screen = () => dialog.locator('.xterm-rows').innerText();
    const shows = (pattern) => until(`the terminal to show ${pattern}`, async () => pattern.test(await screen()));
    await page.keyboard.type('word=kept; echo $((6 * 7)) apples\n');
    await shows(/42 apples/);
    await site.api.end();
    await dialog.getByText('Connecting').waitFor();
    await site.api.restart();
    await open();
    await shows(/42 apples/);
    await customer.picture('terminal-again');
    await page.keyboard.type('echo $word pears\n');
    await shows(/kept pears/);
  });

  test('is told at once that a service is down when a request cannot reach it', async () => {
    const customer = await stage.visit({ expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Failed to load/] });
    const { page } = customer;
    await site.agent.kill();
    await customer.ask('How busy is the node?');
    await page.getByText('The chat agent does not answer.').waitFor({ timeout: 3000 });
    await site.agent.restart();
    await page.getByText('The chat agent does not answer.').waitFor({ state: 'hidden', timeout: 30_000 });
  });
});
