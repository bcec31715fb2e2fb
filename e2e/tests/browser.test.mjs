// A customer in a real browser, from the first look to the receipts: with the burner wallet and with two wallets by others.

import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { until } from '../stack/process.mjs';
import { PHONE, visit } from '../browser/customer.mjs';
import { loseAnswers, settled, watchSignatures } from '../browser/payments.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { quick, strict } from '../browser/wallets.mjs';

inBrowser('a customer in a browser', (stage) => {
  let site, browser, customer;
  before(() => ({ site, browser } = stage));
  afterEach(async () => {
    const left = customer;
    customer = undefined;
    await left?.leave();
  });
  const come = async (options) => (customer = await visit(browser, site, options));

  /** Ways to a wallet with play money in it, each with the account that it has. */
  const burner = (account) => async () => {
    const page = await come();
    await page.useBurner(account);
    await page.fund();
    return page;
  };
  const injected = (account) => async () => {
    const page = await come({ wallet: (page) => quick(page, account) });
    await page.connect(page.wallet.name);
    await page.fund();
    return page;
  };

  const wholeLife = async (comeWithMoney, account) => {
    const page = await comeWithMoney();
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    const { ctid, password } = await page.delivered();
    assert.match(password, /^\S{8,}$/);
    await page.close();

    await page.signIn();
    const lease = page.lease(ctid);
    await lease.waitFor();
    await lease.getByText('Running').waitFor();

    await page.button('Run', lease).click();
    await lease.getByLabel('Command').fill('echo hello from the board');
    await page.button('Run', lease.locator('form.panel')).click();
    await page.payButton(await page.slip()).click();
    await lease.getByText('hello from the board', { exact: true }).waitFor();
    await lease.getByText('Exit code 0').waitFor();

    await stopAndStart(page, lease, ctid);

    const until = async () => lease.locator('.fact', { hasText: 'Until' }).innerText();
    const before = await until();
    await page.button('Renew', lease).click();
    await page.button('Continue to payment', lease).click();
    await page.payButton(await page.slip()).click();
    await page.page.getByText(/^Renewed until /).waitFor();
    await page.page.locator('dialog.sheet').getByText('Transaction').waitFor();
    await page.close();
    await page.page.waitForFunction(
      ([ctid, before]) => {
        const cards = [...document.querySelectorAll('.lease')].filter((card) => card.textContent.includes(ctid));
        return cards.length === 1 && !cards[0].innerText.includes(before.split('\n').pop());
      },
      [String(ctid), before],
    );

    await page.button('Destroy', lease).click();
    const dialog = page.page.locator('dialog[open]', { hasText: 'to confirm' });
    const name = await lease.getAttribute('aria-label');
    await dialog.getByRole('textbox').fill(name);
    await page.button('Destroy it', dialog).click();
    await page.page.getByText(`${name} is destroyed.`).waitFor();
    await gone(ctid);

    await page.go('Receipts');
    const rows = page.page.locator('.receipts tbody tr');
    await until3(rows);
    const words = await rows.locator('[data-label="What for"]').allInnerTexts();
    assert.deepEqual(words.map((text) => text.trim()), ['Renewal', 'Command', 'New lease']);
    // The demo ledger's transactions are on no chain: they can be copied, and there is nowhere to look at them.
    assert.equal(await rows.getByRole('button', { name: /transaction/i }).count(), 3);
    assert.equal(await rows.getByRole('link').count(), 0);
    assert.equal((await settled(site, account)).length, 3);
  };
  test('leases by form with the burner wallet, and uses, renews and destroys the container', () => wholeLife(burner(3), 3));
  test('does the same with an injected wallet', () => wholeLife(injected(21), 21));

  const stopAndStart = async (page, lease, ctid) => {
    const status = async () => (await site.simulator.container(ctid)).status;
    await page.button('Stop', lease).click();
    const question = page.page.locator('dialog[open]', { hasText: 'Whatever runs in it ends' });
    await page.button('Stop it', question).click();
    await lease.getByText('Stopped', { exact: true }).waitFor();
    await question.waitFor({ state: 'hidden' });
    assert.equal(await status(), 'stopped');
    for (const name of ['Run', 'Terminal']) assert.equal(await page.button(name, lease).count(), 0, `${name} is offered`);
    assert.ok(await page.button('Start', lease).evaluate((button) => button === document.activeElement), 'the button keeps the focus');
    await page.picture(`stopped-${ctid}`);
    await page.button('Start', lease).click();
    await lease.getByText('Running', { exact: true }).waitFor();
    assert.equal(await status(), 'running');
  };

  const until3 = (rows) => until('three receipts', async () => (await rows.count()) === 3);
  const gone = (ctid) => until(`container ${ctid} to be gone`, async () => !(await site.simulator.container(ctid)));

  const terminal = async (comeWithMoney) => {
    const page = await comeWithMoney();
    await page.payButton(await page.askForLease()).click();
    const { ctid } = await page.delivered();
    await page.close();
    await page.signIn();
    const lease = page.lease(ctid);
    await page.button('Terminal', lease).click();
    await page.payButton(await page.slip()).click();
    const dialog = page.page.locator('.terminal-dialog');
    await dialog.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    const screen = dialog.locator('.xterm');
    const shows = (text) =>
      until(`the terminal to show ${text}`, async () => (await dialog.locator('.xterm-rows').innerText()).includes(text));
    await screen.click();
    await page.page.keyboard.type('echo $((6 * 7)) apples\n');
    await shows('42 apples');

    await dialog.locator('textarea').evaluate((area) => {
      const data = new DataTransfer();
      data.setData('text/plain', 'echo one $((1 + 1))\necho two $((2 + 2))\n');
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    const guard = dialog.getByRole('alertdialog');
    await guard.waitFor();
    await guard.getByRole('button', { name: /^Paste/ }).click();
    // A shell with bracketed paste waits for a last Enter, which has to reach it without another click.
    await shows('echo two');
    await page.page.keyboard.press('Enter');
    await shows('one 2');
    await shows('two 4');
    await page.picture('terminal-desktop');
    await page.page.keyboard.type('exit\n');
    await dialog.getByText(/^Disconnected/).waitFor();
  };
  test('types into the terminal, is asked before several lines are pasted, and sees its end', () => terminal(burner(4)));
  test('does that with an injected wallet, too', () => terminal(injected(22)));

  test('leases in the chat: the agent proposes, the customer signs, the turn goes on', async () => {
    const page = await come();
    await page.useBurner(5);
    await page.fund();
    await page.page.locator('#message').fill('Lease 1 core, 512 MB for 30 minutes');
    await page.page.keyboard.press('Enter');
    const slip = await page.slip(page.page.locator('.answer'));
    await page.picture('pay-card-desktop');
    await page.payButton(slip).click();
    const { ctid } = await page.delivered();
    await page.page.locator('.tool[data-step=completed]').waitFor();
    const [payment, ...more] = await settled(site, 5);
    assert.equal(more.length, 0);
    assert.equal(payment.operation, 'POST /lease/container');
    assert.equal((await site.simulator.container(ctid)).status, 'running');
    // What was said is there after a reload, without the password.
    await page.page.reload();
    await page.page.locator('.question', { hasText: 'Lease 1 core' }).waitFor();
    assert.equal(await page.page.locator('.made-password').count(), 0);
  });

  test('with a strict wallet: a no is taken calmly, and the second time it is paid', async () => {
    const page = await come({ wallet: (page) => strict(page, [6]) });
    await page.connect(page.wallet.name);
    await page.fund();
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    await page.wallet.decline();
    await page.says(slip, 'You declined');
    assert.equal((await settled(site, 6)).length, 0);
    await page.button('Try again', slip).click();
    await page.wallet.approve();
    await page.delivered();
    assert.equal((await settled(site, 6)).length, 1);
  });

  test('with a wallet on another chain: it is switched, and a no keeps its meaning', async () => {
    const page = await come({ wallet: (page) => quick(page, 7) });
    await page.connect(page.wallet.name);
    await page.fund();
    await page.wallet.decline();
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    await page.says(slip, 'You declined');
    await page.wallet.decline(false);
    await page.button('Try again', slip).click();
    await page.delivered();
    await page.close();
    await page.signIn();
    assert.equal((await settled(site, 7)).length, 1);
    await page.page.reload();
    await page.page.locator('.wallet-button', { hasText: '0x' }).waitFor();
  });

  test('switches the account in the middle: the payment that is signed goes on, and the next is the new account’s', async () => {
    const page = await come({ wallet: (page) => quick(page, 8) });
    await page.connect(page.wallet.name);
    await page.fund();
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    await page.says(slip, /under way|container/i);
    await page.wallet.become(9);
    await page.delivered();
    assert.equal((await settled(site, 8)).length, 1);
    await page.close();
    await page.fund();
    await page.payButton(await page.askForLease()).click();
    await page.delivered();
    assert.equal((await settled(site, 9)).length, 1);
    assert.equal((await settled(site, 8)).length, 1);
  });

  test('presses twice and pays once', async () => {
    const page = await come();
    await page.useBurner(10);
    await page.fund();
    const sent = watchSignatures(page.page);
    const slip = await page.askForLease();
    await page.payButton(slip).evaluate((button) => {
      button.click();
      button.click();
    });
    await page.delivered();
    assert.equal(sent.length, 1);
    assert.equal((await settled(site, 10)).length, 1);
  });

  test('reloads in the middle of a payment: the same signature is sent again, and paid once', async () => {
    const page = await come();
    await page.useBurner(11);
    await page.fund();
    const sent = watchSignatures(page.page);
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    await until('the signed request to leave', () => sent.length === 1);
    await page.page.reload();
    const { password } = await page.delivered();
    assert.match(password, /^\S{8,}$/, 'the answer is the first one, password included');
    assert.ok(sent.length >= 2);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 11)).length, 1);
    const kept = await page.page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(!kept.includes(sent[0]), 'a signature is forgotten once its outcome is known');
  });

  test('loses the answers twice: the same signature is sent again, and paid once', async () => {
    const page = await come({ expected: [/ERR_CONNECTION_RESET/] });
    await page.useBurner(12);
    await page.fund();
    const sent = watchSignatures(page.page);
    await loseAnswers(page.page, site, 2);
    const slip = await page.askForLease();
    await page.payButton(slip).click();
    await page.delivered();
    assert.equal(sent.length, 3);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 12)).length, 1);
  });

  test('is held to their own budget before any wallet opens', async () => {
    const page = await come();
    await page.useBurner(13);
    await page.fund();
    await page.go('Settings');
    await page.page.getByLabel('Limit per payment').fill('0.001');
    await page.go('Leases');
    await page.button('Continue to payment', page.page.locator('.lease-form')).click();
    const slip = page.page.locator('dialog.sheet .slip');
    await page.button('Change the budget', slip).waitFor();
    assert.equal(await page.payButton(slip).count(), 0);
    assert.equal((await settled(site, 13)).length, 0);
    await page.button('Change the budget', slip).click();
    const most = slip.getByLabel('Limit per payment');
    await until('the limits to be in sight', () => inSight(most));
    await most.fill('0.02');
    await page.picture('over-budget');
    await page.payButton(slip).click();
    await page.delivered();
    assert.equal((await settled(site, 13)).length, 1);
  });

  test('makes, exports and deletes a burner wallet', async () => {
    const page = await come({ viewport: PHONE });
    await page.page.locator('.wallet-button').click();
    const dialog = page.page.locator('.wallet-dialog');
    await page.button('Create a burner wallet', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.page.locator('.wallet-button').click();
    await dialog.getByText('Export, delete or replace').click();
    await page.button('Show private key', dialog).click();
    assert.match(await dialog.locator('.key code').innerText(), /^0x[0-9a-f]{64}$/);
    await page.button('Delete this wallet', dialog).click();
    await page.button('Delete the key', dialog).click();
    await page.button('Create a burner wallet', dialog).waitFor();
    assert.equal(await page.page.evaluate(() => localStorage.getItem('infra402.burner')), null);
  });

  test('is told when a service is down, and the page mends itself', async () => {
    const page = await come({ expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Failed to load/] });
    await site.api.kill();
    await page.go('Leases');
    await page.page.getByText('The lease service does not answer.').waitFor({ timeout: 60_000 });
    await site.api.restart();
    await page.page.getByText('The lease service does not answer.').waitFor({ state: 'hidden', timeout: 60_000 });
    await site.agent.kill();
    await page.go('Chat');
    await page.page.locator('#message').fill('What do I have running?');
    await page.page.keyboard.press('Enter');
    await page.button('Try again').first().waitFor();
    await site.agent.restart();
    await page.button('Try again').first().click();
    await page.page.locator('.answer').last().getByText(/\w{3}/).first().waitFor();
  });
});
