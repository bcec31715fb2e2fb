// The interface with a keyboard or a screen reader: every field has a name, the focus is never lost, questions are answered
// where they are asked, and the browser's Back closes the open dialog.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESKTOP } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { holds, steady, until } from '../stack/process.mjs';

inBrowser('a customer with a keyboard', (stage) => {
  /** The tag, id and classes of the element that has the focus. */
  const focused = (page) =>
    page.evaluate(() => {
      const { id, className, tagName } = document.activeElement;
      return `${tagName.toLowerCase()} ${id} ${className}`.trim();
    });
  const focusIs = (page, pattern) =>
    until(`the focus on ${pattern}`, async () => pattern.test(await focused(page))).catch(async (error) => {
      throw new Error(`${error.message}; it is on ${await focused(page)}`);
    });
  const answered = (customer) => customer.page.locator('.answer').last().getByRole('button', { name: 'Copy answer' }).waitFor({ timeout: 60_000 });

  test('finds every slider by its name', async () => {
    const customer = await stage.visit();
    await customer.go('Leases');
    for (const name of ['Cores', 'Memory', 'Disk', 'Time']) {
      const slider = customer.page.locator('.lease-form').getByRole('slider', { name, exact: true });
      assert.match(await slider.getAttribute('aria-valuetext'), /\d/);
    }
  });

  test('does not lose the focus in a conversation', async () => {
    const customer = await stage.visitWithMoney(23);
    const { page } = customer;
    await page.locator('.suggestion').first().focus();
    await page.keyboard.press('Enter');
    await focusIs(page, /^textarea message/);
    const slip = await customer.slip(page.locator('.answer').last());
    await customer.payButton(slip).focus();
    await page.keyboard.press('Enter');
    await focusIs(page, /slip-status/);
    await customer.delivered();
    await answered(customer);
    assert.match(await focused(page), /slip-status/);

    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const other = await customer.slip(page.locator('.answer').last());
    await customer.button('Cancel', other).focus();
    await page.keyboard.press('Enter');
    await focusIs(page, /^textarea message/);
  });

  test('does not lose the focus on the board', async () => {
    const customer = await stage.visitWithMoney(24);
    const { page } = customer;
    const first = await customer.leaseContainer();
    const second = await customer.leaseContainer();
    await customer.signIn();
    const card = customer.lease(first);
    await customer.button('Renew', card).click();
    await customer.button('Continue to payment', card).focus();
    await page.keyboard.press('Enter');
    await customer.payButton(await customer.slip()).focus();
    await page.keyboard.press('Enter');
    await page.getByText(/^Renewed until /).waitFor();
    await customer.button('Done', page.locator('dialog.sheet')).click();
    await until('the focus on Renew', () =>
      customer.button('Renew', card).evaluate((button) => button === document.activeElement));

    const destroy = async (ctid) => {
      const gone = customer.lease(ctid);
      await customer.button('Destroy', gone).focus();
      await page.keyboard.press('Enter');
      await focusIs(page, /^input/);
      await page.keyboard.type(await gone.getAttribute('aria-label'));
      await page.keyboard.press('Enter');
      await page.locator('.lease-grid').first().locator('.tag', { hasText: String(ctid) }).waitFor({ state: 'hidden' });
    };
    await destroy(first);
    await until('the focus on the next card', () =>
      customer.lease(second).locator('.lease-head h2').evaluate((heading) => heading === document.activeElement));
    await destroy(second);
    await focusIs(page, /^main content/);
  });

  test('is asked before a conversation is deleted, and stays in the list', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    for (const words of ['How busy is the node?', 'What would 2 cores and 4 GB for a day cost?']) {
      await customer.ask(words);
      await answered(customer);
      await customer.button('New chat', page.locator('.chat-side')).click();
    }
    const rows = page.locator('.chat-side .history-row');
    assert.equal(await rows.count(), 2);
    const question = page.locator('.chat-side .history-question');
    await rows.first().locator('.history-delete').focus();
    await page.keyboard.press('Enter');
    await question.waitFor();
    await until('the focus on Cancel', () => customer.button('Cancel', question).evaluate((no) => no === document.activeElement));
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 2);
    await focusIs(page, /history-delete/);
    await page.keyboard.press('Enter');
    await customer.button('Delete', question).click();
    await until('one conversation', async () => (await rows.count()) === 1);
    await focusIs(page, /history-open/);
  });

  test('keeps an unsent message over a reload', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    await page.locator('#message').fill('Lease me a container with');
    await page.reload();
    await page.locator('#message').waitFor();
    assert.equal(await page.locator('#message').inputValue(), 'Lease me a container with');
    await customer.ask('How busy is the node?');
    await answered(customer);
    await page.reload();
    await page.locator('.question').waitFor();
    assert.equal(await page.locator('#message').inputValue(), '', 'what was sent is no draft');
  });

  test('goes on reading where they were, after another page', async () => {
    const customer = await stage.visit({ viewport: { width: 1280, height: 500 } });
    const { page } = customer;
    for (let number = 0; number < 4; number += 1) {
      await customer.ask('What would 2 cores and 4 GB for a day cost?');
      await answered(customer);
    }
    const top = () => page.locator('#log').evaluate((log) => log.scrollTop);
    const belowIt = () => page.locator('#log').evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
    const isAtEnd = async () => (await belowIt()) < 3;
    await until('the end of the last answer', isAtEnd);
    const end = await top();
    const box = await page.locator('#log').boundingBox();
    await page.mouse.move(box.x + 50, box.y + 100);
    await page.mouse.wheel(0, -200);
    await page.locator('.to-latest').waitFor();
    const place = await steady('the scroll position', top);
    assert.ok(place < end);
    await customer.go('Settings');
    await customer.go('Chat');
    await until('the same place', async () => Math.abs((await top()) - place) < 3);
    await page.locator('.to-latest').click();
    await customer.go('Settings');
    await customer.go('Chat');
    await until('the end', isAtEnd);
  });

  test('closes a dialog with the browser’s Back, and needs no second Back afterwards', async () => {
    const customer = await stage.visit({ viewport: DESKTOP });
    const { page } = customer;
    const dialog = page.locator('.wallet-dialog');
    const heading = (name) => page.getByRole('heading', { level: 1, name }).waitFor();
    const depth = (number) => until(`${number} entries for dialogs`, () => page.evaluate((number) => (history.state ?? 0) === number, number));
    await customer.go('Leases');
    await customer.go('Settings');
    await page.locator('.wallet-button').click();
    await dialog.waitFor();
    await depth(1);
    await page.goBack();
    await dialog.waitFor({ state: 'hidden' });
    await heading('Settings');
    await depth(0);
    // Closing a dialog by key removes its entry.
    await page.locator('.wallet-button').click();
    await depth(1);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await depth(0);
    // A dialog replaces another one, and a page replaces a dialog.
    await page.keyboard.press('Control+k');
    await page.keyboard.type('connect');
    await page.keyboard.press('Enter');
    await dialog.waitFor();
    await depth(1);
    await customer.button('Close', dialog).click();
    await depth(0);
    await page.keyboard.press('Control+k');
    await depth(1);
    await page.keyboard.type('receipts');
    await page.keyboard.press('Enter');
    await heading('Receipts');
    await depth(0);
    await page.goBack();
    await heading('Settings');
    await page.goBack();
    await heading('Leases');
    // A reload closes a dialog and removes its entry.
    await page.locator('.wallet-button').click();
    await depth(1);
    await page.reload();
    await depth(0);
    await heading('Leases');
    await page.goBack();
    await until('the chat', () => page.evaluate(() => ['', '#/'].includes(location.hash)));
  });

  test('does not lose a password that was not copied by going back', async () => {
    const customer = await stage.visitWithMoney(37);
    const { page } = customer;
    await customer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await customer.payButton(await customer.askForLease()).click();
    await customer.delivered();
    const sheet = page.locator('dialog.sheet');
    await page.goBack();
    await holds('the password in sight', () => sheet.locator('.made-password-text').isVisible());
    assert.ok(await page.evaluate(() => location.hash === '#/leases'));
    await customer.button('Copy Root password', sheet).click();
    await sheet.locator('.copy-said', { hasText: 'Copied' }).waitFor();
    await page.goBack();
    await sheet.waitFor({ state: 'hidden' });
    await page.getByRole('heading', { level: 1, name: 'Leases' }).waitFor();
  });

  test('opens a console from the conversation, answers the question before a paste, and is told when its ticket is used up', async () => {
    const customer = await stage.visitWithMoney(25);
    const { page } = customer;
    const ctid = await customer.leaseContainer();
    await customer.go('Chat');
    await customer.ask(`open a terminal of container ${ctid}`);
    await customer.payButton(await customer.slip(page.locator('.answer').last())).click();
    const dialog = page.locator('.terminal-dialog');
    await dialog.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    const screen = () => dialog.locator('.xterm-rows').innerText();
    const shows = (text) => until(`the terminal to show ${text}`, async () => (await screen()).includes(text));
    await page.keyboard.type('echo $((6 * 7)) apples\n');
    await shows('42 apples');

    const paste = () =>
      dialog.locator('textarea').evaluate((area) => {
        const data = new DataTransfer();
        data.setData('text/plain', 'echo pas"te"d\necho more\n');
        area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
      });
    const guard = dialog.getByRole('alertdialog');
    await paste();
    await guard.waitFor();
    await until('the focus on Cancel', () => customer.button('Cancel', guard).evaluate((no) => no === document.activeElement));
    await page.keyboard.type('xyz');
    await page.keyboard.press('Escape');
    await guard.waitFor({ state: 'detached' });
    assert.ok(await dialog.isVisible(), 'the terminal stays open');
    await until('the focus back in the terminal', async () => /xterm/.test(await focused(page)));
    await page.keyboard.type('echo $((1 + 1)) pears\n');
    await shows('2 pears');
    assert.doesNotMatch(await screen(), /xyz|pasted/);
    await paste();
    await guard.waitFor();
    // Enter presses Cancel.
    await page.keyboard.press('Enter');
    await guard.waitFor({ state: 'detached' });

    await customer.button('Close', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.locator('.tool').last().getByText(/ticket is used up/).waitFor();
    await page.reload();
    await page.locator('.tool').last().getByText(/ticket is used up/).waitFor();
  });

  test('opens a terminal from its card while its ticket is good', async () => {
    const customer = await stage.visitWithMoney(26, { expected: [/WebSocket/] });
    const { page } = customer;
    const ctid = await customer.leaseContainer();
    await customer.go('Chat');
    let cut = true;
    await page.routeWebSocket(/./, (socket) => (cut ? socket.close({ code: 1013 }) : socket.connectToServer()));
    await customer.ask(`open a terminal of container ${ctid}`);
    await customer.payButton(await customer.slip(page.locator('.answer').last())).click();
    const dialog = page.locator('.terminal-dialog');
    await customer.button('Try again', dialog).waitFor({ timeout: 60_000 });
    await customer.button('Close', dialog).click();
    cut = false;
    await customer.button('Open terminal').click();
    await dialog.locator('.dot[data-open=true]').waitFor();
  });
});
