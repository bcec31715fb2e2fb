// Wallets that hang, answer late or are left, and browsers without storage: a payment that the customer no longer waits for is not
// sent, other payments stay possible, and no key is lost silently.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { holds, until } from '../stack/process.mjs';
import { privateKey } from '../chain/accounts.mjs';
import { PHONE } from '../browser/customer.mjs';
import { loseAnswers, settled, watchSignatures } from '../browser/payments.mjs';
import { slow } from '../browser/slow-wallet.mjs';
import { inBrowser } from '../browser/suite.mjs';

const SIGN = 'eth_signTypedData_v4';
const CONNECT = 'eth_requestAccounts';

inBrowser('a wallet that does not answer', (stage) => {
  let site;
  before(() => ({ site } = stage));
  const withSlow = async (number, options = {}) => {
    const customer = await stage.visit({ ...options, wallet: (page) => slow(page, number) });
    await customer.connect(customer.wallet.name);
    await customer.fund();
    return customer;
  };
  /** The nonce of the authorization in a signature request. */
  const nonceOf = ({ params }) => JSON.parse(params[1]).message.nonce;
  /** Gives the page time to act on a late answer of the wallet, which must change nothing. */
  const staysSo = (what, condition) => holds(what, condition, { forMs: 700 });

  test('a signature that is no longer waited for is not sent, and blocks no other payment', async () => {
    const customer = await withSlow(60);
    const { page, wallet } = customer;
    const sent = watchSignatures(page);
    wallet.hold(SIGN);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'Confirm in your wallet…');
    await until('the wallet to be asked', () => wallet.waiting(SIGN).length === 1);
    await customer.picture('wallet-waits');
    await customer.button('Stop waiting', slip).click();
    await customer.says(slip, 'You stopped waiting for the wallet. Nothing was charged');
    assert.ok(await slip.evaluate((slip) => slip.contains(document.activeElement)), 'the focus stays with the payment');
    await customer.picture('wallet-stopped');
    wallet.release(SIGN);
    await staysSo('nothing is sent', () => sent.length === 0);
    assert.equal(await customer.button('Ask again', slip).isEnabled(), true);
    await customer.button('Cancel', slip).click();

    wallet.answer();
    await customer.leaseContainer();
    assert.equal((await settled(site, 60)).length, 1);
    assert.equal(sent.length, 1);
  });

  test('asking again asks for the same payment, and either answer pays it once', async () => {
    const customer = await withSlow(61, { viewport: PHONE });
    const { page, wallet } = customer;
    const sent = watchSignatures(page);
    wallet.hold(SIGN);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await until('the wallet to be asked', () => wallet.waiting(SIGN).length === 1);
    await customer.picture('wallet-waits-phone');
    await customer.button('Ask again', slip).click();
    await until('the wallet to be asked twice', () => wallet.waiting(SIGN).length === 2);
    const [first, second] = wallet.waiting(SIGN).map(nonceOf);
    assert.equal(first, second, 'two answers are one payment');
    wallet.release(SIGN, 1);
    await customer.delivered();
    wallet.release(SIGN);
    await staysSo('one payment is sent', () => new Set(sent).size === 1);
    assert.equal((await settled(site, 61)).length, 1);
    await customer.close();
  });

  test('after two minutes the wallet is not waited for any longer', async () => {
    const customer = await stage.visit({ wallet: (page) => slow(page, 62), before: (page) => page.clock.install() });
    const { page, wallet } = customer;
    const sent = watchSignatures(page);
    await page.clock.runFor(3000);
    await customer.connect(wallet.name);
    await customer.fund();
    wallet.hold(SIGN, CONNECT, 'personal_sign');
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await until('the wallet to be asked', () => wallet.waiting(SIGN).length === 1);
    await page.clock.fastForward(110_000);
    await customer.says(slip, 'Confirm in your wallet…');
    await page.clock.fastForward(15_000);
    await customer.says(slip, 'The wallet did not answer. Nothing was charged');
    wallet.release(SIGN);
    await page.clock.runFor(1000);
    assert.deepEqual(sent, []);
    await customer.button('Cancel', slip).click();

    await page.locator('.wallet-button').click();
    const dialog = page.locator('.wallet-dialog');
    await customer.button('Sign in', dialog).click();
    await until('the wallet to be asked to sign in', () => wallet.waiting('personal_sign').length === 1);
    await page.clock.fastForward(125_000);
    await page.getByText('The wallet did not answer.').waitFor();
    await customer.button('Disconnect', dialog).click();
    await dialog.locator('.wallet-row', { hasText: wallet.name }).click();
    await until('the wallet to be asked to connect', () => wallet.waiting(CONNECT).length === 1);
    await page.clock.fastForward(125_000);
    await dialog.locator('.notice', { hasText: 'The wallet did not answer.' }).waitFor();
  });

  test('a sign-in that hangs can be asked for again, and left', async () => {
    const customer = await withSlow(63);
    const { page, wallet } = customer;
    wallet.hold('personal_sign');
    await customer.go('Leases');
    const board = page.locator('.board-main');
    await customer.button('Sign in', board).click();
    await customer.button('Ask again', board).click();
    await until('the wallet to be asked twice', () => wallet.waiting('personal_sign').length === 2);
    await customer.picture('sign-in-waits');
    await customer.button('Stop waiting', board).click();
    await customer.button('Sign in', board).waitFor();
    wallet.release('personal_sign');
    wallet.release('personal_sign');
    await staysSo('signed out', async () => (await customer.button('Sign in', board).count()) === 1);
    wallet.answer();
    await customer.button('Sign in', board).click();
    await page.getByText('Nothing leased yet').waitFor();
  });

  const two = async (page) => ({
    left: await slow(page, 64, { name: 'Left Wallet', rdns: 'example.left' }),
    chosen: await slow(page, 65, { name: 'Chosen Wallet', rdns: 'example.chosen' }),
  });
  const row = (page, { name }) => page.locator('.wallet-row', { hasText: name });
  const kept = (page) => page.evaluate(() => localStorage.getItem('infra402.wallet'));
  const short = (address) => `${address.slice(0, 6)}…${address.slice(-4)}`;

  test('a wallet that was left and answers late does not replace the chosen one', async () => {
    const customer = await stage.visit({ wallet: two });
    const { page, wallet: { left, chosen } } = customer;
    left.hold(CONNECT);
    await page.locator('.wallet-button').click();
    await row(page, left).click();
    await page.getByText('Confirm in Left Wallet…').waitFor();
    await customer.picture('connect-waits');
    await row(page, chosen).click();
    await page.locator('.wallet-button', { hasText: short(chosen.address) }).waitFor();
    left.release(CONNECT);
    const label = () => page.locator('.wallet-button').innerText();
    await staysSo('the chosen wallet', async () => (await label()).includes(short(chosen.address)));
    assert.equal(await kept(page), 'example.chosen');
  });

  for (const [how, leave] of [
    ['stopped', (customer) => customer.button('Stop waiting').click()],
    ['left with its dialog', async ({ page }) => {
      await page.keyboard.press('Escape');
      // The browser closes the dialog at once and tells the page a moment later; an answer in between comes in time.
      await page.locator('.wallet-dialog .dialog-body > *').first().waitFor({ state: 'detached' });
    }],
    ['overtaken by a disconnect in another tab', async ({ context, page }) => {
      const other = await context.newPage();
      await other.goto(page.url());
      // This listener is added last and so runs after the page's own.
      const noticed = page.evaluate(() => new Promise((done) => {
        window.addEventListener('storage', ({ key, newValue }) => {
          if (key === 'infra402.wallet' && newValue === null) done();
        });
      }));
      await page.evaluate(() => undefined);
      await other.evaluate(() => {
        localStorage.setItem('infra402.wallet', 'x');
        localStorage.removeItem('infra402.wallet');
      });
      await noticed;
      await other.close();
    }],
  ]) {
    test(`a connection that was ${how} stays so when the wallet answers`, async () => {
      const customer = await stage.visit({ wallet: two });
      const { page, wallet: { left } } = customer;
      await customer.listensToOtherTabs();
      left.hold(CONNECT);
      await page.locator('.wallet-button').click();
      await row(page, left).click();
      await until('the wallet to be asked', () => left.waiting(CONNECT).length === 1);
      await leave(customer);
      left.release(CONNECT);
      const label = () => page.locator('.wallet-button').innerText();
      await staysSo('not connected', async () => (await label()).includes('Connect wallet'));
      assert.equal(await kept(page), null);
    });
  }

  test('a wallet that hangs while the chain is changed is left like any other', async () => {
    const customer = await withSlow(66);
    const { page, wallet } = customer;
    wallet.hold('eth_chainId');
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await until('the wallet to be asked', () => wallet.waiting('eth_chainId').length === 1);
    await customer.button('Stop waiting', slip).click();
    await customer.says(slip, 'You stopped waiting for the wallet.');
    wallet.answer();
    await customer.button('Ask again', slip).click();
    await customer.delivered();
    await customer.close();
  });

  /** A browser that denies storage, as some do in private windows, or whose storage is full. */
  const blocked = (page) =>
    page.addInitScript(() => {
      Object.defineProperty(window, 'localStorage', { get: () => { throw new DOMException('denied', 'SecurityError'); } });
    });
  const full = (page) =>
    page.addInitScript(() => {
      Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
    });

  for (const [state, spoil] of [['blocked', blocked], ['full', full]]) {
    test(`with storage that is ${state} no burner wallet is made or imported, and the reason is shown`, async () => {
      const customer = await stage.visit({ before: spoil });
      const { page } = customer;
      await page.locator('.banner', { hasText: 'This browser stores nothing for this page' }).waitFor();
      assert.equal(await page.locator('.banner', { hasText: 'stores nothing' }).count(), 1, 'it is said once');
      await page.locator('.wallet-button').click();
      const dialog = page.locator('.wallet-dialog');
      await customer.button('Create a burner wallet', dialog).click();
      await dialog.getByText('The key would be lost with the page').waitFor();
      await customer.picture(`burner-${state}`);
      await dialog.locator('.import input').fill(privateKey(67));
      await customer.button('Import', dialog).click();
      await dialog.locator('.field-problem', { hasText: 'The key would be lost' }).waitFor();
      assert.equal(await dialog.locator('.burner-address').count(), 0, 'no address that could be funded');
      await page.keyboard.press('Escape');
      assert.match(await page.locator('.wallet-button').innerText(), /Connect wallet/);
    });
  }

  test('with blocked storage the page itself keeps a payment whose outcome is unknown, and "Look again" delivers it', async () => {
    const customer = await stage.visit({ before: blocked, wallet: (page) => slow(page, 68), expected: [/ERR_CONNECTION_RESET/, /ERR_FAILED/] });
    const { page } = customer;
    await customer.connect(customer.wallet.name);
    await customer.fund();
    const sent = watchSignatures(page);
    await loseAnswers(page, site, 1);
    const pattern = `${site.api.url}/lease/container`;
    await page.route(pattern, (route) => {
      if (!route.request().headers()['payment-signature'] || sent.length < 2) return route.fallback();
      const json = { x402Version: 1, error: 'payment_expired', accepts: [] };
      return route.fulfill({ status: 402, headers: { 'access-control-allow-origin': '*' }, json });
    });
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'do not pay for the same again');
    await page.unroute(pattern);
    await customer.button('Look again', slip).click();
    const { password } = await customer.delivered();
    assert.match(password, /^\S{8,}$/);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 68)).length, 1);
    await customer.close();
  });
});
