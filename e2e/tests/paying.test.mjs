// What stands around a payment: a password that is shown once is not lost, a refusal says why and what to do, a key is not
// overwritten in silence, and "pay" is never barred without a word.

import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { until } from '../stack/process.mjs';
import { privateKey } from '../chain/accounts.mjs';
import { movableServices } from '../browser/clock.mjs';
import { PHONE, visit } from '../browser/customer.mjs';
import { settled, watchSignatures } from '../browser/payments.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { quick } from '../browser/wallets.mjs';

const LAPTOP = { width: 1280, height: 800 };
const SCREENS = [
  { name: 'laptop', viewport: LAPTOP, theme: 'dark', account: 31 },
  { name: 'phone', viewport: PHONE, theme: 'light', account: 32 },
];

inBrowser('a customer who pays', (stage) => {
  let site, browser, customer;
  before(() => ({ site, browser } = stage));
  afterEach(async () => {
    const left = customer;
    customer = undefined;
    await left?.leave();
  });
  const come = async (options) => (customer = await visit(browser, site, options));
  /** The balance is unknown, as on a chain without a node. */
  const hideBalances = (page) => page.route('**/demo/balance?*', (route) => route.fulfill({ status: 404, body: '{}', headers: { 'access-control-allow-origin': '*' } }));
  const ask = async ({ page }, text) => {
    await page.locator('#message').fill(text);
    await page.locator('#message').press('Enter');
  };
  const chatSlip = ({ page }) => page.locator('.answer').last().locator('.slip');

  for (const { name, viewport, theme, account } of SCREENS) {
    test(`on a ${name}: the password comes into sight, whatever is done to the sheet meanwhile, and is not left unseen`, async () => {
      const visitor = await come({ viewport, theme });
      const { page } = visitor;
      await visitor.useBurner(account);
      await visitor.fund();
      const slip = await visitor.askForLease();
      await visitor.picture(`sheet-offer-${name}`);
      assert.ok(await inSight(visitor.payButton(slip)), '"pay" is in sight without scrolling');
      await visitor.payButton(slip).click();
      const sheet = page.locator('dialog.sheet');
      await until('the focus to follow the payment', () => sheet.evaluate((sheet) => sheet.contains(document.activeElement)));
      await page.keyboard.press('Escape');
      await sheet.waitFor({ state: 'hidden' });
      await visitor.delivered();
      await sheet.waitFor();
      const password = sheet.locator('.made-password-text code');
      await until('the password to be in sight', () => inSight(password));
      await visitor.picture(`sheet-delivered-${name}`);
      assert.ok(await inSight(visitor.button('Done', sheet)), 'and so is the way out');
      assert.ok(await sheet.locator('.bought').evaluate((box) => box.contains(document.activeElement)), 'the focus is there');

      await page.keyboard.press('Escape');
      await sheet.getByText('It was not copied yet').waitFor();
      await visitor.picture(`sheet-leaving-${name}`);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      await page.mouse.click(5, 5);
      await page.goBack();
      await page.goBack();
      const asked = page.waitForEvent('dialog');
      const reloaded = page.evaluate(() => location.reload()).catch(() => {});
      const question = await asked;
      assert.equal(question.type(), 'beforeunload');
      await question.dismiss();
      await reloaded;
      assert.ok(await password.isVisible(), 'neither a key nor a press beside it nor Back nor a reload takes it away');
      await visitor.button('Stay here', sheet).click();
      await sheet.getByRole('link', { name: 'Open the lease board' }).click();
      await visitor.button('Stay here', sheet).click();
      await visitor.button('Close', sheet).click();
      await visitor.button('Close without copying', sheet).click();
      await sheet.waitFor({ state: 'hidden' });
      assert.equal(await page.locator('.running').count(), 0);
    });
  }

  test('who has copied the password is not asked', async () => {
    const visitor = await come();
    await visitor.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await visitor.useBurner(33);
    await visitor.fund();
    const { page } = visitor;
    const sheet = page.locator('dialog.sheet');
    const buyAndCopy = async () => {
      await visitor.button('Continue to payment', page.locator('.lease-form')).click();
      await visitor.payButton(await visitor.slip()).click();
      const { password } = await visitor.delivered();
      await visitor.button('Copy Root password').click();
      await sheet.getByText('Copied').waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), password);
    };
    await buyAndCopy();
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'hidden' });
    await buyAndCopy();
    await sheet.getByRole('link', { name: 'Open the lease board' }).click();
    await sheet.waitFor({ state: 'hidden' });
    await page.getByRole('heading', { level: 1, name: 'Leases' }).waitFor();
    await page.goBack();
    await page.locator('#message').waitFor();
  });

  test('a key is replaced only after a question, with the old one at hand', async () => {
    const visitor = await come({ viewport: PHONE });
    const { page } = visitor;
    const kept = () => page.evaluate(() => localStorage.getItem('infra402.burner'));
    await visitor.useBurner(34);
    const old = await kept();
    await page.locator('.wallet-button').click();
    const dialog = page.locator('.wallet-dialog');
    await dialog.getByText('Export, delete or replace').click();
    const bring = async (account) => {
      await dialog.locator('.import input').fill(privateKey(account));
      await visitor.button('Import', dialog).click();
    };
    await bring(35);
    await dialog.getByText('Another key is here').waitFor();
    await until('the question to be in sight', () => inSight(visitor.button('Replace the key', dialog)));
    await visitor.picture('burner-replace');
    assert.equal(await kept(), old);
    const question = dialog.locator('.import .notice');
    await visitor.button('Show private key', question).click();
    assert.equal(await question.locator('.key code').innerText(), privateKey(34));
    await visitor.button('Cancel', question).click();
    assert.equal(await kept(), old);
    await bring(35);
    await visitor.button('Replace the key', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(`0x${await kept()}`, privateKey(35));
    // The same key again ends nothing.
    await page.locator('.wallet-button').click();
    await dialog.getByText('Export, delete or replace').click();
    await bring(35);
    await dialog.waitFor({ state: 'hidden' });
  });

  test('the balance of play money is known without the faucet, and follows the payments', async () => {
    const visitor = await come();
    const { page } = visitor;
    await visitor.useBurner(36);
    await visitor.fund();
    await page.reload();
    const slip = await visitor.askForLease();
    await slip.getByText('10.0000 USDC').waitFor();
    await visitor.payButton(slip).click();
    await visitor.delivered();
    await visitor.close();
    await page.locator('.wallet-button').click();
    await page.locator('.wallet-dialog').getByText('9.9900 USDC').waitFor();
  });

  test('without money, "pay" says so beside itself and the faucet mends it', async () => {
    const visitor = await come();
    await visitor.useBurner(37);
    const slip = await visitor.askForLease();
    await slip.getByText('Your balance is lower than the price.').waitFor();
    assert.ok(await visitor.payButton(slip).isDisabled());
    await visitor.picture('sheet-too-little');
    await visitor.button('Get 10 test USDC', slip).click();
    await visitor.payButton(slip).click();
    await visitor.delivered();
    assert.equal((await settled(site, 37)).length, 1);
  });

  test('where the balance is unknown, the sheet shows the refusal once and what to do', async () => {
    const visitor = await come({ before: hideBalances, expected: [/status of 404/] });
    await visitor.useBurner(38);
    const slip = await visitor.askForLease();
    await visitor.payButton(slip).click();
    await visitor.says(slip, 'Your balance is too low for this payment. Nothing was charged.');
    await visitor.picture('sheet-refused');
    await visitor.button('Get 10 test USDC', slip).click();
    await visitor.page.getByText('Added 10 test USDC.').waitFor();
    await visitor.button('Try again', slip).click();
    await visitor.payButton(slip).click();
    await visitor.delivered();
    assert.equal((await settled(site, 38)).length, 1);
  });

  test('in the chat the card says why it was not paid, keeps its lines, and can be paid then', async () => {
    const visitor = await come({ before: hideBalances, expected: [/status of 404/] });
    const { page } = visitor;
    await visitor.useBurner(39);
    await ask(visitor, 'Lease 1 core, 512 MB for 30 minutes');
    const slip = await visitor.slip(page.locator('.answer'));
    const lines = await slip.locator('.lines tbody tr').count();
    assert.ok(lines > 1);
    await visitor.payButton(slip).click();
    await slip.getByText('Your balance is too low for this payment. Nothing was charged.').waitFor();
    await visitor.picture('chat-refused');
    assert.equal(await slip.locator('.lines tbody tr').count(), lines);
    await visitor.button('Get 10 test USDC', slip).click();
    await page.getByText('Added 10 test USDC.').waitFor();
    await visitor.payButton(slip).click();
    await visitor.delivered();
    assert.equal((await settled(site, 39)).length, 1);
    // After a reload the receipt is still there, and what became of the password.
    await page.locator('.tool[data-step=completed]').waitFor();
    await page.getByText('Transaction').first().waitFor();
    await visitor.button('Copy answer').waitFor();
    await page.reload();
    const card = page.locator('.tool[data-step=completed]');
    await card.locator('.tool-receipt').getByText('Transaction').waitFor();
    await card.getByText('The password was shown once and is not stored.').waitFor();
    await visitor.picture('chat-receipt-later');
  });

  const payByItself = (limit) => (page) =>
    page.addInitScript((limit) => localStorage.setItem('infra402.budget', JSON.stringify({ autoBelow: limit })), limit);

  test('what pays by itself stops at a refusal, and pays again after it', async () => {
    const before = async (page) => {
      await hideBalances(page);
      await payByItself('10000')(page);
    };
    const visitor = await come({ before, expected: [/status of 404/] });
    const { page } = visitor;
    const sent = watchSignatures(page);
    await visitor.useBurner(40);
    await ask(visitor, 'What do I have running?');
    const slip = chatSlip(visitor);
    await slip.getByText('Your balance is too low').waitFor();
    await visitor.button('Get 10 test USDC', slip).click();
    await page.getByText('Added 10 test USDC.').waitFor();
    await visitor.payButton(slip).click();
    await until('the list to be paid', async () => (await settled(site, 40)).length === 1);
    await visitor.button('Copy answer').waitFor();
    await ask(visitor, 'What do I have running?');
    await until('the next list to be paid by itself', async () => (await settled(site, 40)).length === 2);
    assert.ok(sent.length <= 4, `${sent.length} signatures were sent`);
  });

  test('what pays by itself leaves the choice of a password to its owner', async () => {
    const visitor = await come({ before: payByItself('1000000') });
    const { page } = visitor;
    await visitor.useBurner(41);
    await visitor.fund();
    const slip = await visitor.askForLease();
    await slip.getByRole('radio', { name: 'My password' }).check();
    await slip.getByText('First enter the password').waitFor();
    assert.ok(await visitor.payButton(slip).isDisabled());
    await slip.getByLabel('Root password').fill('correct horse 402 battery');
    await visitor.payButton(slip).click();
    await visitor.delivered();
    assert.equal(await page.locator('.made-password').count(), 0);
    await visitor.close();
  });

  test('an offer that has run out has one button, for a new price', async () => {
    let services;
    const before = async (page) => {
      await page.clock.install();
      services = await movableServices(page, site);
    };
    const visitor = await come({ before });
    const { page } = visitor;
    const pass = async (seconds) => {
      services.move(seconds);
      await page.clock.fastForward(seconds * 1000);
    };
    await visitor.useBurner(42);
    await visitor.fund();
    await page.clock.runFor(1500);
    await ask(visitor, 'Lease 1 core, 512 MB for 30 minutes');
    const slip = await visitor.slip(page.locator('.answer'));
    assert.match(await slip.locator('.fact', { hasText: 'Offer valid for' }).innerText(), /(5:00|4:5\d)/);
    await pass(301);
    await slip.getByText('This offer has expired.').waitFor();
    assert.equal(await visitor.payButton(slip).count(), 0);
    await visitor.picture('chat-expired');
    await visitor.button('Get a new price', slip).click();
    await visitor.slip(page.locator('.answer'));
    assert.equal(await page.locator('.turn').count(), 1, 'in place of the old one');

    const form = await visitor.askForLease();
    await pass(301);
    await visitor.button('Get a new price', form).click();
    await visitor.payButton(form).waitFor();
  });

  test('an offer for another account says whose it is and is asked for again', async () => {
    const visitor = await come({ wallet: (page) => quick(page, 43) });
    const { page } = visitor;
    await visitor.connect(visitor.wallet.name);
    await visitor.fund();
    await ask(visitor, 'Lease 1 core, 512 MB for 30 minutes');
    const slip = await visitor.slip(page.locator('.answer'));
    await visitor.wallet.become(44);
    await slip.getByText(/This offer was made for 0x/).waitFor();
    await visitor.picture('chat-other-account');
    await visitor.fund();
    await visitor.button('Ask again for this account', slip).click();
    await visitor.payButton(chatSlip(visitor)).click();
    await visitor.delivered();
    assert.equal((await settled(site, 44)).length, 1);
    assert.equal((await settled(site, 43)).length, 0);
  });

  test('"pay" in another tab says that it waits, and for what', async () => {
    const visitor = await come({ wallet: (page) => quick(page, 45) });
    const { page, context } = visitor;
    await visitor.connect(visitor.wallet.name);
    await visitor.fund();
    // The signed request hangs.
    let let_go;
    const held = new Promise((resolve) => (let_go = resolve));
    await page.route(`${site.api.url}/lease/container`, async (route) => {
      if (route.request().headers()['payment-signature']) await held;
      await route.fallback();
    });
    await visitor.payButton(await visitor.askForLease()).click();
    const other = await context.newPage();
    await other.goto(`${site.url}/#/leases`);
    await other.locator('.lease-form').getByRole('button', { name: 'Continue to payment' }).click();
    const slip = other.locator('dialog.sheet .slip');
    await slip.getByText('A payment is under way in another tab.').waitFor();
    let_go();
    await visitor.delivered();
    await slip.getByText('A payment is under way in another tab.').waitFor({ state: 'detached' });
    await other.close();
  });

  test('a tab that ended without a word bars "pay" nowhere for good', async () => {
    const visitor = await come();
    const { page, context } = visitor;
    await visitor.useBurner(50);
    await visitor.fund();
    const slip = await visitor.askForLease();
    const other = await context.newPage();
    await other.goto(`${site.url}/favicon.svg`);
    await other.evaluate(() => new BroadcastChannel('infra402.payment').postMessage('busy'));
    await slip.getByText('A payment is under way in another tab.').waitFor();
    assert.ok(await visitor.payButton(slip).isDisabled());
    await slip.getByText('A payment is under way in another tab.').waitFor({ state: 'detached' });
    await visitor.payButton(slip).click();
    await visitor.delivered();
    await page.bringToFront();
  });

  test('what is paid and not delivered stays in reach, and comes without another charge', async () => {
    const visitor = await come({ expected: [/status of 502/] });
    const { page } = visitor;
    await visitor.useBurner(51);
    await visitor.fund();
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
    const slip = await visitor.askForLease();
    await visitor.payButton(slip).click();
    await visitor.says(slip, 'It is paid, and nothing will be charged again.');
    await page.keyboard.press('Escape');
    await page.unroute(pattern);
    await visitor.button('A payment needs a look').click();
    await visitor.button('Get it now, no new charge', slip).click();
    const { password } = await visitor.delivered();
    assert.match(password, /^\S{8,}$/);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 51)).length, 1);
    await visitor.close();
    assert.equal(await page.locator('.running').count(), 0);
  });

  test('a call that failed while the lease service was down can be tried again on its card', async () => {
    const visitor = await come({ expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Failed to load/] });
    await visitor.useBurner(46);
    await visitor.fund();
    await site.api.kill();
    await ask(visitor, 'How busy is the node?');
    const failed = visitor.page.locator('.tool[data-step=failed]');
    await visitor.button('Try again', failed).waitFor();
    await visitor.picture('chat-tool-failed');
    await site.api.restart();
    await visitor.button('Try again', failed).click();
    await visitor.page.locator('.tool[data-step=completed]').waitFor();
    assert.equal(await visitor.page.locator('.turn').count(), 1);
  });

  test('a renewal, a command and a terminal are named and priced by line, and a renewal leaves its receipt', async () => {
    const visitor = await come();
    const { page } = visitor;
    await visitor.useBurner(47);
    await visitor.fund();
    await visitor.payButton(await visitor.askForLease()).click();
    const { ctid } = await visitor.delivered();
    await visitor.close();
    await visitor.signIn();
    const lease = visitor.lease(ctid);
    await lease.waitFor();
    const name = await lease.getAttribute('aria-label');
    const offered = async (words, lines) => {
      const slip = await visitor.slip();
      await slip.getByRole('heading', { name: words }).waitFor();
      assert.equal(await slip.locator('.lines tbody tr').count(), lines);
      return slip;
    };
    await visitor.button('Terminal', lease).click();
    await visitor.button('Cancel', await offered(`Open a terminal to ${name}`, 1)).click();
    await visitor.button('Run', lease).click();
    await lease.getByLabel('Command').fill('uptime');
    await visitor.button('Run', lease.locator('form.panel')).click();
    await visitor.button('Cancel', await offered(`Run \`uptime\` in ${name}`, 1)).click();
    await visitor.button('Renew', lease).click();
    await visitor.button('Continue to payment', lease).click();
    const slip = await offered(`Renew ${name} for 1 h`, 4);
    await visitor.payButton(slip).click();
    const sheet = page.locator('dialog.sheet');
    await sheet.getByText('Transaction').waitFor();
    await sheet.getByText('Runs until').waitFor();
    await visitor.picture('sheet-renewed');
    await visitor.close();
  });

  const EMULATOR = /\/assets\/(terminal|xterm)[^/]*\.js$/;
  const NOT_LOADED = [/ERR_FAILED/, /Failed to (fetch|load)/];
  const withContainer = async (account, options) => {
    const visitor = await come(options);
    await visitor.useBurner(account);
    await visitor.fund();
    await visitor.payButton(await visitor.askForLease()).click();
    const { ctid } = await visitor.delivered();
    await visitor.close();
    await visitor.signIn();
    return { visitor, lease: visitor.lease(ctid) };
  };

  test('a terminal whose code does not come is not paid for, and is once it comes', async () => {
    const { visitor, lease } = await withContainer(48, { expected: NOT_LOADED });
    const { page } = visitor;
    await page.route(EMULATOR, (route) => route.abort());
    await visitor.button('Terminal', lease).click();
    const slip = await visitor.slip();
    await visitor.payButton(slip).click();
    await visitor.says(slip, 'could not be loaded. Nothing was charged.');
    assert.equal((await settled(site, 48)).length, 1, 'only the lease is paid');
    await page.unroute(EMULATOR);
    await visitor.button('Try again', slip).click();
    await page.locator('.terminal-dialog .dot[data-open=true]').waitFor({ timeout: 60_000 });
    assert.equal((await settled(site, 48)).length, 2);
  });

  test('a terminal that was paid for and did not open is tried again with the same ticket', async () => {
    const { visitor, lease } = await withContainer(49, { expected: [/WebSocket/] });
    const { page } = visitor;
    let cut = true;
    await page.routeWebSocket(/./, (socket) => (cut ? socket.close({ code: 1013 }) : socket.connectToServer()));
    await visitor.button('Terminal', lease).click();
    await visitor.payButton(await visitor.slip()).click();
    const dialog = page.locator('.terminal-dialog');
    await visitor.button('Try again', dialog).waitFor();
    assert.equal(await visitor.button('Reconnect', dialog).count(), 0);
    cut = false;
    await visitor.button('Try again', dialog).click();
    await dialog.locator('.dot[data-open=true]').waitFor();
    assert.equal((await settled(site, 49)).length, 2, 'the lease and one terminal');
  });

  for (const { name, viewport, theme } of SCREENS) {
    test(`on a ${name}: the budget is behind its chip in the header, worked with keys`, async () => {
      const visitor = await come({ viewport, theme });
      const { page } = visitor;
      const chip = page.locator('.budget-chip');
      assert.match(await chip.innerText(), /Spent\s+0\.0000/);
      await chip.focus();
      await page.keyboard.press('Enter');
      const limits = page.locator('#budget');
      await limits.getByLabel('Limit per payment').waitFor();
      await page.keyboard.press('Tab');
      assert.ok(await limits.evaluate((box) => box.contains(document.activeElement)), 'the next key goes into it');
      await limits.getByLabel('Limit for this session').fill('0.5');
      await limits.getByText('0.5000 USDC').waitFor();
      await limits.getByRole('radio', { name: 'Ask above' }).check();
      await limits.getByLabel('Pay without asking up to').fill('0.002');
      await visitor.picture(`budget-${name}`);
      const kept = await page.evaluate(() => JSON.parse(localStorage.getItem('infra402.budget')));
      assert.deepEqual(kept, { perPayment: null, perSession: '500000', autoBelow: '2000' });
      await page.keyboard.press('Escape');
      await limits.waitFor({ state: 'hidden' });
      assert.ok(await chip.evaluate((chip) => chip === document.activeElement), 'the focus is back');
      await visitor.go('Settings');
      assert.equal(await page.locator('.settings').getByLabel('Limit for this session').inputValue(), '0.5000');
      await page.locator('.settings').getByRole('radio', { name: 'Ask always' }).check();
      await chip.click();
      assert.equal(await limits.getByLabel('Pay without asking up to').count(), 0, 'both places say the same');
    });
  }
});
