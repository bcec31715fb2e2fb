// A payment that is interrupted: by another tab, a stopped service, a terminal that does not open, or a container that is paid and
// not delivered. "Pay" is never disabled without a reason beside it.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { settled, watchSignatures } from '../browser/payments.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { quick } from '../browser/wallets.mjs';

const EMULATOR = /\/assets\/(terminal|xterm)[^/]*\.js$/;
const NOT_LOADED = [/ERR_FAILED/, /Failed to (fetch|load)/];

inBrowser('a payment that is interrupted', (stage) => {
  let site;
  before(() => ({ site } = stage));

  test('"Pay" in another tab waits, and says for which payment', async () => {
    const customer = await stage.visit({ wallet: (page) => quick(page, 45) });
    const { page, context } = customer;
    await customer.connect(customer.wallet.name);
    await customer.fund();
    // The signed request hangs.
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(`${site.api.url}/lease/container`, async (route) => {
      if (route.request().headers()['payment-signature']) await held;
      await route.fallback();
    });
    await customer.payButton(await customer.askForLease()).click();
    const other = await context.newPage();
    await other.goto(`${site.url}/#/leases`);
    await other.locator('.lease-form').getByRole('button', { name: 'Continue to payment' }).click();
    const slip = other.locator('dialog.sheet .slip');
    await slip.getByText('A payment is under way in another tab.').waitFor();
    release();
    await customer.delivered();
    await slip.getByText('A payment is under way in another tab.').waitFor({ state: 'detached' });
    await other.close();
  });

  test('a tab that ended without releasing its payment disables "Pay" in other tabs for a short time only', async () => {
    const customer = await stage.visitWithMoney(50);
    const { page, context } = customer;
    const slip = await customer.askForLease();
    const other = await context.newPage();
    await other.goto(`${site.url}/favicon.svg`);
    await other.evaluate(() => new BroadcastChannel('infra402.payment').postMessage('busy'));
    await slip.getByText('A payment is under way in another tab.').waitFor();
    assert.ok(await customer.payButton(slip).isDisabled());
    await slip.getByText('A payment is under way in another tab.').waitFor({ state: 'detached' });
    await customer.payButton(slip).click();
    await customer.delivered();
    await page.bringToFront();
  });

  test('a container that is paid and not delivered stays on the page, and is delivered without another charge', async () => {
    const customer = await stage.visitWithMoney(51, { expected: [/status of 502/] });
    const { page } = customer;
    const sent = watchSignatures(page);
    const pattern = `${site.api.url}/lease/container`;
    await page.route(pattern, async (route) => {
      if (!route.request().headers()['payment-signature']) return route.fallback();
      await route.fetch();
      const receipt = { success: true, transaction: `0x${'ab'.repeat(32)}`, network: 'eip155:84532' };
      const error = { code: 'hypervisor_error', message: 'The container did not come up.', retryable: true, requestId: 'r-1' };
      await route.fulfill({
        status: 502, json: { error },
        headers: {
          'access-control-allow-origin': '*', 'access-control-expose-headers': 'payment-response',
          'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64'),
        },
      });
    });
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'It is paid, and nothing will be charged again.');
    await page.keyboard.press('Escape');
    await page.unroute(pattern);
    await customer.button('A payment needs a look').click();
    await customer.button('Get it now, no new charge', slip).click();
    const { password } = await customer.delivered();
    assert.match(password, /^\S{8,}$/);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 51)).length, 1);
    await customer.close();
    assert.equal(await page.locator('.running').count(), 0);
  });

  test('a call that failed while the lease service was down can be tried again on its card', async () => {
    const customer = await stage.visitWithMoney(46, { expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Failed to load/] });
    await site.api.kill();
    await customer.ask('How busy is the node?');
    const failed = customer.page.locator('.tool[data-step=failed]');
    await customer.button('Try again', failed).waitFor();
    await customer.picture('chat-tool-failed');
    await site.api.restart();
    await customer.button('Try again', failed).click();
    await customer.page.locator('.tool[data-step=completed]').waitFor();
    assert.equal(await customer.page.locator('.turn').count(), 1);
  });

  test('a terminal whose code cannot be loaded is not paid for, and is once it is loaded', async () => {
    const { customer, page, lease } = await stage.visitWithContainer(48, { expected: NOT_LOADED });
    await page.route(EMULATOR, (route) => route.abort());
    await customer.button('Terminal', lease).click();
    const slip = await customer.slip();
    await customer.payButton(slip).click();
    await customer.says(slip, 'could not be loaded. Nothing was charged.');
    assert.equal((await settled(site, 48)).length, 1, 'only the lease is paid');
    await page.unroute(EMULATOR);
    await customer.button('Try again', slip).click();
    await page.locator('.terminal-dialog .dot[data-open=true]').waitFor({ timeout: 60_000 });
    assert.equal((await settled(site, 48)).length, 2);
  });

  test('a terminal that was paid for and did not open is tried again with the same ticket', async () => {
    const { customer, page, lease } = await stage.visitWithContainer(49, { expected: [/WebSocket/] });
    let cut = true;
    await page.routeWebSocket(/./, (socket) => (cut ? socket.close({ code: 1013 }) : socket.connectToServer()));
    await customer.button('Terminal', lease).click();
    await customer.payButton(await customer.slip()).click();
    const dialog = page.locator('.terminal-dialog');
    await customer.button('Try again', dialog).waitFor();
    assert.equal(await customer.button('Reconnect', dialog).count(), 0);
    cut = false;
    await customer.button('Try again', dialog).click();
    await dialog.locator('.dot[data-open=true]').waitFor();
    assert.equal((await settled(site, 49)).length, 2, 'the lease and one terminal');
  });
});
