// A customer in a real browser, from the first look to the receipts: with the burner wallet and with two wallets that other people wrote.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { until } from '../stack/process.mjs';
import { PHONE } from '../browser/customer.mjs';
import { loseAnswers, settled, watchSignatures } from '../browser/payments.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { quick, strict } from '../browser/wallets.mjs';

inBrowser('a customer in a browser', (stage) => {
  let site;
  before(() => ({ site } = stage));

  /** Customers with play money in a burner or an injected wallet of a development account. */
  const burner = (account) => () => stage.visitWithMoney(account);
  const injected = (account) => async () => {
    const customer = await stage.visit({ wallet: (page) => quick(page, account) });
    await customer.connect(customer.wallet.name);
    await customer.fund();
    return customer;
  };

  const wholeLife = async (comeWithMoney, account) => {
    const customer = await comeWithMoney();
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    const { ctid, password } = await customer.delivered();
    assert.match(password, /^\S{8,}$/);
    await customer.close();

    await customer.signIn();
    const lease = customer.lease(ctid);
    await lease.waitFor();
    await lease.getByText('Running').waitFor();

    await customer.button('Run', lease).click();
    await lease.getByLabel('Command').fill('echo hello from the board');
    await customer.button('Run', lease.locator('form.panel')).click();
    await customer.payButton(await customer.slip()).click();
    await lease.getByText('hello from the board', { exact: true }).waitFor();
    await lease.getByText('Exit code 0').waitFor();

    await stopAndStart(customer, lease, ctid);

    const until = async () => lease.locator('.fact', { hasText: 'Until' }).innerText();
    const before = await until();
    await customer.button('Renew', lease).click();
    await customer.button('Continue to payment', lease).click();
    await customer.payButton(await customer.slip()).click();
    await customer.page.getByText(/^Renewed until /).waitFor();
    await customer.page.locator('dialog.sheet').getByText('Transaction').waitFor();
    await customer.close();
    await customer.page.waitForFunction(
      ([ctid, before]) => {
        const cards = [...document.querySelectorAll('.lease')].filter((card) => card.textContent.includes(ctid));
        return cards.length === 1 && !cards[0].innerText.includes(before.split('\n').pop());
      },
      [String(ctid), before],
    );

    await customer.button('Destroy', lease).click();
    const dialog = customer.page.locator('dialog[open]', { hasText: 'to confirm' });
    const name = await lease.getAttribute('aria-label');
    await dialog.getByRole('textbox').fill(name);
    await customer.button('Destroy it', dialog).click();
    await customer.page.getByText(`${name} is destroyed.`).waitFor();
    await gone(ctid);

    await customer.go('Receipts');
    const rows = customer.page.locator('.receipts tbody tr');
    await until3(rows);
    const words = await rows.locator('[data-label="What for"]').allInnerTexts();
    assert.deepEqual(words.map((text) => text.trim()), ['Renewal', 'Command', 'New lease']);
    // The demo ledger's transactions are on no chain: they can be copied, and no explorer shows them.
    assert.equal(await rows.getByRole('button', { name: /transaction/i }).count(), 3);
    assert.equal(await rows.getByRole('link').count(), 0);
    assert.equal((await settled(site, account)).length, 3);
  };
  test('leases by form with the burner wallet, and uses, renews and destroys the container', () => wholeLife(burner(3), 3));
  test('does the same with an injected wallet', () => wholeLife(injected(21), 21));

  const stopAndStart = async (customer, lease, ctid) => {
    const status = async () => (await site.simulator.container(ctid)).status;
    await customer.button('Stop', lease).click();
    const question = customer.page.locator('dialog[open]', { hasText: 'All programs in it end' });
    await customer.button('Stop it', question).click();
    await lease.getByText('Stopped', { exact: true }).waitFor();
    await question.waitFor({ state: 'hidden' });
    assert.equal(await status(), 'stopped');
    for (const name of ['Run', 'Terminal']) assert.equal(await customer.button(name, lease).count(), 0, `${name} is offered`);
    assert.ok(await customer.button('Start', lease).evaluate((button) => button === document.activeElement), 'the button keeps the focus');
    await customer.picture(`stopped-${ctid}`);
    await customer.button('Start', lease).click();
    await lease.getByText('Running', { exact: true }).waitFor();
    assert.equal(await status(), 'running');
  };

  const until3 = (rows) => until('three receipts', async () => (await rows.count()) === 3);
  const gone = (ctid) => until(`container ${ctid} to be gone`, async () => !(await site.simulator.container(ctid)));

  const terminal = async (comeWithMoney) => {
    const customer = await comeWithMoney();
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const lease = customer.lease(ctid);
    await customer.button('Terminal', lease).click();
    await customer.payButton(await customer.slip()).click();
    const dialog = customer.page.locator('.terminal-dialog');
    await dialog.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    const screen = dialog.locator('.xterm');
    const shows = (text) =>
      until(`the terminal to show ${text}`, async () => (await dialog.locator('.xterm-rows').innerText()).includes(text));
    await screen.click();
    await customer.page.keyboard.type('echo $((6 * 7)) apples\n');
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
    await customer.page.keyboard.press('Enter');
    await shows('one 2');
    await shows('two 4');
    await customer.picture('terminal-desktop');
    await customer.page.keyboard.type('exit\n');
    await dialog.getByText(/^Disconnected/).waitFor();
  };
  test('types into the terminal, is asked before several lines are pasted, and sees its end', () => terminal(burner(4)));
  test('does that with an injected wallet, too', () => terminal(injected(22)));

  test('leases in the chat: the agent proposes, the customer signs, the turn goes on', async () => {
    const customer = await stage.visitWithMoney(5);
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const slip = await customer.slip(customer.page.locator('.answer'));
    await customer.picture('pay-card-desktop');
    await customer.payButton(slip).click();
    const { ctid } = await customer.delivered();
    await customer.page.locator('.tool[data-step=completed]').waitFor();
    const [payment, ...more] = await settled(site, 5);
    assert.equal(more.length, 0);
    assert.equal(payment.operation, 'POST /lease/container');
    assert.equal((await site.simulator.container(ctid)).status, 'running');
    // After a reload the conversation is there, without the password.
    await customer.page.reload();
    await customer.page.locator('.question', { hasText: 'Lease 1 core' }).waitFor();
    assert.equal(await customer.page.locator('.made-password').count(), 0);
  });

  test('with a strict wallet: a no is taken calmly, and the second time it is paid', async () => {
    const customer = await stage.visit({ wallet: (page) => strict(page, [6]) });
    await customer.connect(customer.wallet.name);
    await customer.fund();
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.wallet.decline();
    await customer.says(slip, 'You declined');
    assert.equal((await settled(site, 6)).length, 0);
    await customer.button('Try again', slip).click();
    await customer.wallet.approve();
    await customer.delivered();
    assert.equal((await settled(site, 6)).length, 1);
  });

  test('with a wallet on another chain: it is switched, and a no keeps its meaning', async () => {
    const customer = await stage.visit({ wallet: (page) => quick(page, 7) });
    await customer.connect(customer.wallet.name);
    await customer.fund();
    await customer.wallet.decline();
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'You declined');
    await customer.wallet.decline(false);
    await customer.button('Try again', slip).click();
    await customer.delivered();
    await customer.close();
    await customer.signIn();
    assert.equal((await settled(site, 7)).length, 1);
    await customer.page.reload();
    await customer.page.locator('.wallet-button', { hasText: '0x' }).waitFor();
  });

  test('switches the account in the middle: the payment that is signed goes on, and the next is the new account’s', async () => {
    const customer = await stage.visit({ wallet: (page) => quick(page, 8) });
    await customer.connect(customer.wallet.name);
    await customer.fund();
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, /under way|container/i);
    await customer.wallet.become(9);
    await customer.delivered();
    assert.equal((await settled(site, 8)).length, 1);
    await customer.close();
    await customer.fund();
    await customer.payButton(await customer.askForLease()).click();
    await customer.delivered();
    assert.equal((await settled(site, 9)).length, 1);
    assert.equal((await settled(site, 8)).length, 1);
  });

  test('presses twice and pays once', async () => {
    const customer = await stage.visitWithMoney(10);
    const sent = watchSignatures(customer.page);
    const slip = await customer.askForLease();
    await customer.payButton(slip).evaluate((button) => {
      button.click();
      button.click();
    });
    await customer.delivered();
    assert.equal(sent.length, 1);
    assert.equal((await settled(site, 10)).length, 1);
  });

  test('reloads in the middle of a payment: the same signature is sent again, and paid once', async () => {
    const customer = await stage.visitWithMoney(11);
    const sent = watchSignatures(customer.page);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await until('the signed request to leave', () => sent.length === 1);
    await customer.page.reload();
    const { password } = await customer.delivered();
    assert.match(password, /^\S{8,}$/, 'the answer is the first one, password included');
    assert.ok(sent.length >= 2);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 11)).length, 1);
    const kept = await customer.page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(!kept.includes(sent[0]), 'a signature is forgotten once its outcome is known');
  });

  test('loses the answers twice: the same signature is sent again, and paid once', async () => {
    const customer = await stage.visitWithMoney(12, { expected: [/ERR_CONNECTION_RESET/] });
    const sent = watchSignatures(customer.page);
    await loseAnswers(customer.page, site, 2);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal(sent.length, 3);
    assert.equal(new Set(sent).size, 1);
    assert.equal((await settled(site, 12)).length, 1);
  });

  test('is held to their own budget before any wallet opens', async () => {
    const customer = await stage.visitWithMoney(13);
    await customer.go('Settings');
    await customer.page.getByLabel('Limit per payment').fill('0.001');
    await customer.go('Leases');
    await customer.button('Continue to payment', customer.page.locator('.lease-form')).click();
    const slip = customer.page.locator('dialog.sheet .slip');
    await customer.button('Change the budget', slip).waitFor();
    assert.equal(await customer.payButton(slip).count(), 0);
    assert.equal((await settled(site, 13)).length, 0);
    await customer.button('Change the budget', slip).click();
    const most = slip.getByLabel('Limit per payment');
    await until('the limits to be in sight', () => inSight(most));
    await most.fill('0.02');
    await customer.picture('over-budget');
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal((await settled(site, 13)).length, 1);
  });

  test('makes, exports and deletes a burner wallet', async () => {
    const customer = await stage.visit({ viewport: PHONE });
    await customer.page.locator('.wallet-button').click();
    const dialog = customer.page.locator('.wallet-dialog');
    await customer.button('Create a burner wallet', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
    await customer.page.locator('.wallet-button').click();
    await dialog.getByText('Export, delete or replace').click();
    await customer.button('Show private key', dialog).click();
    assert.match(await dialog.locator('.key code').innerText(), /^0x[0-9a-f]{64}$/);
    await customer.button('Delete this wallet', dialog).click();
    await customer.button('Delete the key', dialog).click();
    await customer.button('Create a burner wallet', dialog).waitFor();
    assert.equal(await customer.page.evaluate(() => localStorage.getItem('infra402.burner')), null);
  });

  test('is told when a service is down, and the page mends itself', async () => {
    const customer = await stage.visit({ expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Failed to load/] });
    await site.api.kill();
    await customer.go('Leases');
    await customer.page.getByText('The lease service does not answer.').waitFor({ timeout: 60_000 });
    await site.api.restart();
    await customer.page.getByText('The lease service does not answer.').waitFor({ state: 'hidden', timeout: 60_000 });
    await site.agent.kill();
    await customer.go('Chat');
    await customer.ask('What do I have running?');
    await customer.button('Try again').first().waitFor();
    await site.agent.restart();
    await customer.button('Try again').first().click();
    await customer.page.locator('.answer').last().getByText(/\w{3}/).first().waitFor();
  });
});
