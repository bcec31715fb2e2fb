// The published ports of a container: a page is served and published by a sentence, opened by its owner, by link and by everybody,
// and closed; on the card of the conversation and on the board.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { PHONE } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { signIn } from '../clients/session.mjs';
import { until } from '../stack/process.mjs';

inBrowser('the published ports of a container', (stage) => {
  let site;
  before(() => ({ site } = stage));

  /** What a browser that knows nothing of the owner gets at an address. */
  async function stranger(address, { warned = false } = {}) {
    const context = await stage.browser.newContext();
    try {
      const page = await context.newPage();
      const response = await page.goto(address);
      if (warned) {
        await page.getByText('This page is by a customer').waitFor();
        assert.deepEqual(await violations(page), []);
        await page.getByRole('link', { name: 'Open it' }).click();
        await page.waitForURL(address);
        await page.reload();
      }
      return { status: response.status(), text: await page.locator('body').innerText(), url: page.url() };
    } finally {
      await context.close();
    }
  }

  /** The tab that an action opens. */
  async function tabOf(page, act) {
    const [tab] = await Promise.all([page.context().waitForEvent('page'), act()]);
    await tab.waitForURL(/^http:/);
    await tab.waitForLoadState();
    return tab;
  }

  async function request(token, method, path, body) {
    const response = await fetch(site.api.url + path, { method, body, headers: { authorization: `Bearer ${token}` } });
    assert.ok(response.ok, `${method} ${path} answers ${response.status}: ${await response.text()}`);
  }

  test('a page is served by one sentence, and opens for its owner, by link, for everybody, and not at all', async () => {
    const { customer, page, lease, ctid } = await stage.visitWithContainer(130);
    const { token } = await signIn(site.api.url, 130);
    await request(token, 'PUT', `/lease/${ctid}/files?path=/srv/www/index.html&parents=true`, '<title>Mine</title><h1>Hello from the box</h1>');

    await customer.go('Chat');
    await customer.ask(`serve /srv/www of container ${ctid} and give me the URL`);
    await customer.payButton(await customer.slip(page.locator('.answer').last())).click();
    const answer = page.locator('.answer').last();
    await answer.getByText(/http\.server serves/).waitFor({ timeout: 60_000 });
    await answer.getByText('Runs in the background', { exact: true }).waitFor();
    const url = await answer.locator('.port-address .link').innerText();
    assert.match(url, /^http:\/\/8080-[0-9a-z]{12}\.localhost:\d+\/$/);
    await answer.locator('.port-address').scrollIntoViewIfNeeded();
    await customer.picture('ports-chat');
    assert.deepEqual(await violations(page), []);
    const fromChat = await tabOf(page, () => answer.locator('.port-address .link').click());
    assert.equal(await fromChat.locator('h1').innerText(), 'Hello from the box');
    assert.equal(fromChat.url(), url, 'the ticket stays in no address');
    assert.equal(await fromChat.evaluate(() => window.opener), null);
    await fromChat.close();
    const refused = await stranger(url);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /This address is private/);

    await customer.go('Leases');
    await customer.button('Ports', lease).click();
    const panel = lease.getByRole('region', { name: 'Ports' });
    const row = (port) => panel.getByRole('listitem').filter({ hasText: String(port) });
    const access = panel.getByLabel('Who may open port 8080');
    await row(8080).waitFor();
    assert.equal(await access.inputValue(), 'owner');
    const fromBoard = await tabOf(page, () => row(8080).locator('.port-address .link').click());
    assert.equal(await fromBoard.locator('h1').innerText(), 'Hello from the box');
    await fromBoard.close();

    await access.selectOption('link');
    await panel.getByText('Port 8080 opens by its link').waitFor();
    const link = await row(8080).getByRole('link').getAttribute('href');
    assert.ok(link.startsWith(`${url}?`) && link.length > url.length + 20, 'the link has a token');
    assert.equal(await row(8080).getByRole('link').getAttribute('rel'), 'noopener noreferrer');
    const guest = await stranger(link);
    assert.deepEqual([guest.status, guest.text, guest.url], [200, 'Hello from the box', url]);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await customer.button('Copy the link to port 8080', row(8080)).click();
    await until('the link to be copied', async () => (await page.evaluate(() => navigator.clipboard.readText())) === link);

    await panel.getByLabel('Port', { exact: true }).fill('3000');
    await page.keyboard.press('Enter');
    await row(3000).waitFor();
    const silent = await tabOf(page, () => row(3000).locator('.port-address .link').click());
    await silent.getByText('Nothing listens here yet').waitFor();
    await silent.close();
    await customer.picture('ports');
    assert.deepEqual(await violations(page), []);

    await access.selectOption('public');
    await panel.getByText('Port 8080 is open to everybody.').waitFor();
    assert.equal((await stranger(url, { warned: true })).text, 'Hello from the box', 'once they are warned');
    await page.setViewportSize(PHONE);
    await panel.scrollIntoViewIfNeeded();
    await customer.picture('ports-phone');
    assert.deepEqual(await violations(page), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, 'nothing is wider than a phone');

    await access.selectOption('owner');
    await panel.getByText('Port 8080 is for you alone.').waitFor();
    assert.equal((await stranger(link)).status, 403, 'the link has ended with the access');
    await customer.button('Close port 8080', panel).focus();
    await page.keyboard.press('Enter');
    await panel.getByText('Port 8080 is closed').waitFor();
    await row(8080).waitFor({ state: 'detached' });
    await until('the focus to be on the form', () => page.evaluate(() => document.activeElement.type === 'number'));
    const closed = await stranger(url);
    assert.deepEqual([closed.status, /There is nothing here/.test(closed.text)], [404, true]);

    await request(token, 'PUT', `/lease/${ctid}/ports/8080`, '{"access":"public"}');
    assert.equal((await stranger(url)).status, 200);
    await request(token, 'DELETE', `/lease/${ctid}`);
    await until('the address to be over', async () => (await stranger(url)).status === 404);

    const [, secret] = link.split('=');
    for (const log of [site.api.log(), site.agent.log()]) assert.ok(!log.includes(secret), 'no log has the token');
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!stored.includes(secret), 'nor does the browser keep it');
  });

  test('what the service refuses is said, and the list shows what is so', async () => {
    const { customer, page, lease } = await stage.visitWithContainer(131, { expected: [/status of 409/] });
    await customer.button('Ports', lease).click();
    const panel = lease.getByRole('region', { name: 'Ports' });
    await panel.getByText('No port is published.').waitFor();
    const field = panel.getByLabel('Port', { exact: true });
    await field.fill('70000');
    await customer.button('Publish', panel).click();
    assert.ok(await field.evaluate((input) => !input.validity.valid), 'the browser says that it is no port');
    await field.fill('8080');
    await customer.button('Publish', panel).click();
    const access = panel.getByLabel('Who may open port 8080');
    await access.waitFor();

    const message = 'The operator has taken the name of this container down.';
    await page.route(`${site.api.url}/lease/*/ports/8080`, (route) => (route.request().method() === 'PUT'
      ? route.fulfill({
        status: 409, headers: { 'access-control-allow-origin': '*' },
        json: { error: { code: 'lease_conflict', message, retryable: false, requestId: 'r-1' } },
      })
      : route.continue()));
    await access.selectOption('public');
    await panel.getByText(message).waitFor();
    assert.equal(await access.inputValue(), 'owner', 'the access is what it was');
    await customer.picture('ports-refused');
    await page.setViewportSize(PHONE);
    await panel.scrollIntoViewIfNeeded();
    await customer.picture('ports-refused-phone');
  });
});
