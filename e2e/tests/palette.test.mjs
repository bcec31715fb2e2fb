// The command palette: opened by key and by button, used with the keyboard alone, and accessible to a screen reader.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';

const LOOKS = [
  { name: 'desktop', viewport: DESKTOP, theme: 'light' },
  { name: 'desktop-dark', viewport: DESKTOP, theme: 'dark' },
  { name: 'phone', viewport: PHONE, theme: 'light', hasTouch: true },
  { name: 'phone-dark', viewport: PHONE, theme: 'dark', hasTouch: true },
];

inBrowser('the command palette', (stage) => {
  /** The palette of a page. */
  const listOf = (page) => {
    const dialog = page.getByRole('dialog', { name: 'Commands' });
    const box = dialog.getByRole('combobox', { name: 'Search commands' });
    const options = dialog.getByRole('listbox').getByRole('option');
    return {
      dialog, box, options,
      labels: () => options.locator('.palette-label').allInnerTexts(),
      count: () => dialog.getByRole('status').innerText(),
      /** The row that Enter would choose, by the search field's `aria-activedescendant`. */
      async active() {
        const row = page.locator(`[id="${await box.getAttribute('aria-activedescendant')}"]`);
        assert.equal(await row.getAttribute('aria-selected'), 'true');
        assert.equal(await options.and(page.locator('[aria-selected=true]')).count(), 1);
        return row.locator('.palette-label').innerText();
      },
      async open() {
        await page.keyboard.press('Control+k');
        await box.waitFor();
        await page.waitForFunction(() => document.activeElement?.role === 'combobox');
      },
      async choose(words) {
        await this.open();
        await page.keyboard.type(words);
        await page.keyboard.press('Enter');
        await dialog.waitFor({ state: 'hidden' });
      },
      closed: () => dialog.waitFor({ state: 'hidden' }),
    };
  };
  const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

  test('opens with a key, is worked with keys, and gives the focus back', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    const list = listOf(page);
    await page.locator('#message').focus();
    await list.open();
    assert.equal((await list.labels())[0], 'New chat');
    assert.equal(await list.active(), 'New chat');
    assert.equal(await list.count(), `${await list.options.count()} commands`);
    await page.keyboard.press('ArrowUp');
    assert.equal(await list.active(), 'Keyboard help');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal(await list.active(), 'Lease a container');

    await page.keyboard.type('theme d');
    assert.deepEqual(await list.labels(), ['Theme: dark']);
    assert.equal(await list.count(), '1 command');
    await page.keyboard.type('ogs');
    assert.equal(await list.options.count(), 0);
    assert.equal(await list.count(), 'No command matches. Try another word.');
    assert.equal(await list.box.getAttribute('aria-expanded'), 'false');
    assert.equal(await list.box.getAttribute('aria-activedescendant'), null);
    await page.keyboard.press('Enter');
    assert.ok(await list.dialog.isVisible());

    await page.keyboard.press('Escape');
    await list.closed();
    assert.equal(await focused(page), 'message');
    await list.open();
    await page.keyboard.press('Control+k');
    await list.closed();
    assert.equal(await focused(page), 'message');
  });

  test('goes to every page, changes the theme, and opens the other dialogs', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    const list = listOf(page);
    for (const [words, name] of [['leases', 'Leases'], ['receipts', 'Receipts'], ['settings', 'Settings'], ['chat go', 'Conversation']]) {
      await list.choose(words);
      await heading(page, name);
    }
    for (const name of ['dark', 'light', 'system']) {
      await list.choose(`theme ${name}`);
      await page.locator(`html[data-theme=${name}]`).waitFor();
    }
    await list.open();
    await page.keyboard.type('theme system');
    assert.equal(await list.options.locator('.palette-note').innerText(), 'chosen');
    await page.keyboard.press('Escape');

    await customer.button(/^Commands/).click();
    await list.options.filter({ hasText: 'Keyboard help' }).click();
    const keys = page.getByRole('dialog', { name: 'Keyboard' });
    await keys.getByText('Alt + N').waitFor();
    await page.keyboard.press('Escape');
    await keys.waitFor({ state: 'hidden' });
    assert.match(await focused(page), /palette-button/, 'the focus is where the list was opened');

    await list.choose('connect');
    await page.locator('.wallet-dialog').waitFor();
    await page.keyboard.press('Escape');
    await list.choose('rent');
    await heading(page, 'Leases');
    await page.waitForFunction(() => document.activeElement?.closest('.board-aside') && document.activeElement.type === 'range');
  });

  test('begins a chat, opens an earlier one by its title, and disconnects the wallet', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    const list = listOf(page);
    await customer.useBurner(23);
    await customer.ask('How busy is the node?');
    await customer.button('Copy answer').waitFor();
    await customer.go('Settings');
    await list.choose('new chat');
    await page.locator('.welcome').waitFor();
    await page.waitForFunction(() => document.activeElement?.id === 'message');
    await page.keyboard.type('half a thought');
    await list.choose('busy node');
    await page.locator('.question', { hasText: 'How busy is the node?' }).waitFor();
    assert.equal(await page.locator('#message').inputValue(), 'half a thought');
    await page.keyboard.press('Alt+n');
    await page.locator('.welcome').waitFor();
    await list.choose('disconnect');
    await customer.button('Connect wallet').waitFor();
  });

  test('has the actions of a lease\'s card', async () => {
    const customer = await stage.visit();
    const { page } = customer;
    const list = listOf(page);
    await customer.useBurner(24);
    await customer.fund();
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const lease = customer.lease(ctid);
    const name = await lease.getAttribute('aria-label');
    await customer.go('Chat');

    await list.choose(`run ${name}`);
    await heading(page, 'Leases');
    await page.waitForFunction((id) => document.activeElement?.id === id, `command-${ctid}`);
    // A second command, given on the board itself.
    await list.choose(`renew ${ctid}`);
    await customer.button('Continue to payment', lease).waitFor();
    await page.waitForFunction(() => document.activeElement?.matches('.lease .panel input[type=range]'));

    await customer.go('Receipts');
    await list.choose(`terminal ${name}`);
    await customer.payButton(await customer.slip()).click();
    const terminal = page.locator('.terminal-dialog');
    await terminal.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    // In a terminal the key belongs to the shell.
    await terminal.locator('.xterm').click();
    await page.keyboard.press('Control+k');
    assert.equal(await list.dialog.count(), 0);
    await customer.button('Close', terminal).first().click();
    await terminal.waitFor({ state: 'hidden' });
    await customer.go('Chat');
    await customer.go('Leases');
    await lease.waitFor();
    assert.equal(await page.locator('dialog[open], .lease .panel').count(), 0, 'a pending action is done once');
  });

  for (const { name, hasTouch, ...look } of LOOKS) {
    test(`is in sight and accessible, ${name}`, async () => {
      const customer = await stage.visit({ ...look, hasTouch });
      const { page } = customer;
      const list = listOf(page);
      await customer.ask('What would 2 cores and 4 GB for a day cost?');
      await customer.button('Copy answer').waitFor();
      const opener = customer.button(/^Commands/);
      const size = await opener.boundingBox();
      if (hasTouch) assert.ok(size.width >= 44 && size.height >= 44, JSON.stringify(size));
      await customer.picture(`palette-button-${name}`);
      await opener.click();
      await list.box.waitFor();
      await customer.picture(`palette-${name}`);
      const found = { open: await violations(page) };
      for (const row of await list.options.all()) assert.ok((await row.boundingBox()).height >= 44);
      await list.box.fill('cost');
      assert.equal(await list.count(), '1 command');
      await list.box.fill('nothing like it');
      found.empty = await violations(page);
      await customer.picture(`palette-empty-${name}`);
      assert.deepEqual(found, { open: [], empty: [] });
      await customer.button('Close', list.dialog).click();
      await list.closed();
    });
  }

  test('leaves room in the header on narrow screens', async () => {
    for (const width of [320, 360, 390, 740, 800, 1000]) {
      const customer = await stage.visit({ viewport: { width, height: 760 } });
      for (const connected of [false, true]) {
        if (connected) await customer.useBurner(23);
        const inside = await customer.page.locator('.topbar').evaluate((bar) => {
          const right = Math.max(...[...bar.querySelectorAll('a, button')].map((one) => one.getBoundingClientRect().right));
          return right <= bar.clientWidth && bar.scrollWidth <= bar.clientWidth;
        });
        await customer.picture(`header-${width}`);
        assert.ok(inside, `${width} pixels, connected: ${connected}`);
      }
      await customer.leave();
    }
  });
});
