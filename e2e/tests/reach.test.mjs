// The leases beside a conversation on a phone: a line above the message box, and a sheet that changes neither.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { coveredBy, inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

inBrowser('the leases beside a conversation on a phone', (stage) => {
  let site;
  before(() => ({ site } = stage));

  /** A customer with a container that was leased in the chat, a signed-in wallet, and an unsent message. */
  async function come(account, look = {}) {
    const customer = await stage.visitWithMoney(account, { viewport: PHONE, hasTouch: true, ...look });
    const { page } = customer;
    await customer.signIn();
    assert.equal(await page.locator('.in-reach').count(), 0, 'nothing is leased');
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    await customer.payButton(await customer.slip(page.locator('.answer'))).click();
    const { ctid } = await customer.delivered();
    await page.locator('#message').fill('half a thought');
    const line = page.locator('.in-reach');
    const sheet = page.getByRole('dialog', { name: 'Your containers' });
    const open = async () => {
      await line.click();
      await sheet.locator('.lease').first().waitFor();
    };
    return { customer, page, line, sheet, ctid, open, closed: () => sheet.waitFor({ state: 'hidden' }) };
  }

  const untouched = async (page) => {
    assert.equal(await page.locator('#message').inputValue(), 'half a thought');
    assert.equal(await page.locator('.question').count(), 1);
    await page.getByRole('heading', { level: 1, name: 'Conversation' }).waitFor();
  };

  for (const [theme, account] of [['light', 10], ['dark', 11]]) {
    test(`says in words what there is, and is accessible, ${theme}`, async () => {
      const { customer, page, line, sheet, open, ctid } = await come(account, { theme });
      await line.filter({ hasText: /^1 container · (30|29) min left$/ }).waitFor();
      const [bar, box] = [await line.boundingBox(), await page.locator('.composer').boundingBox()];
      assert.ok(bar.height >= 44 && bar.y + bar.height <= box.y, JSON.stringify([bar, box]));
      assert.ok(await inSight(line));
      assert.deepEqual(await coveredBy(line), []);
      await customer.picture(`reach-line-${theme}`);
      const found = { line: await violations(page) };
      await open();
      await sheet.getByText('Memory').first().waitFor();
      await customer.picture(`reach-sheet-${theme}`);
      found.sheet = await violations(page);
      await customer.button('Renew', customer.lease(ctid)).click();
      await customer.picture(`reach-renew-${theme}`);
      assert.deepEqual(found, { line: [], sheet: [] });
      const moves = await sheet.evaluate((dialog) => getComputedStyle(dialog).animationDuration);
      assert.ok(parseFloat(moves) < 0.001, `reduced motion shows none, not ${moves}`);
      for (const button of await sheet.locator('.lease-actions > button').all()) assert.ok((await button.boundingBox()).height >= 44);
    });
  }

  test('closes in every way that a sheet does, and gives the focus back', async () => {
    const { customer, page, line, sheet, open } = await come(12);
    const handle = sheet.locator('.handle');
    /** Drags the sheet down by its handle, which may have moved since it was opened. */
    const pull = async (pixels, { steps, lasts }) => {
      await handle.hover();
      await page.mouse.down();
      const since = await page.evaluate(() => performance.now());
      const { x, y, width, height } = await handle.boundingBox();
      await page.mouse.move(x + width / 2, y + height / 2 + pixels, { steps });
      // A slow pull: the sheet counts its speed as well as its length, by the clock that this reads.
      await page.waitForFunction(({ since, lasts }) => performance.now() - since >= lasts, { since, lasts });
      await page.mouse.up();
    };
    /** A drag within a millisecond, for which the driver's own events are too slow. */
    const flick = (pixels) =>
      handle.evaluate((handle, pixels) => {
        for (const [type, clientY] of [['pointerdown', 0], ['pointermove', pixels], ['pointerup', pixels]]) {
          handle.dispatchEvent(new PointerEvent(type, { clientY, bubbles: true, isPrimary: true }));
        }
      }, pixels);
    const ways = {
      Esc: () => page.keyboard.press('Escape'),
      button: () => customer.button('Close', sheet).click(),
      backdrop: () => page.mouse.click(190, 20),
      far: () => pull(400, { steps: 12, lasts: 900 }),
      flick: () => flick(90),
    };
    for (const [name, way] of Object.entries(ways)) {
      await open();
      await way();
      await until(`the sheet to close by ${name}`, () => sheet.isHidden());
      assert.ok(await line.evaluate((bar) => bar === document.activeElement), `the focus after ${name}`);
      await untouched(page);
    }
    await open();
    await pull(30, { steps: 8, lasts: 600 });
    const pulled = () => sheet.evaluate((dialog) => getComputedStyle(dialog).translate);
    await until('a little pull to spring back', async () => (await pulled()) === 'none');
    assert.ok(await sheet.isVisible());
    await page.keyboard.press('Escape');
  });

  test('has all of a card’s actions, and goes with the last container', async () => {
    const { customer, page, line, sheet, open, closed, ctid } = await come(13);
    const lease = sheet.locator('.lease');
    await open();
    await customer.button('Run', lease).click();
    await lease.getByLabel('Command').fill('echo hello from the sheet');
    await customer.button('Run', lease.locator('form.panel')).click();
    await customer.payButton(await customer.slip()).click();
    await lease.getByText('hello from the sheet', { exact: true }).waitFor();

    await customer.button('Terminal', lease).click();
    await customer.payButton(await customer.slip()).click();
    const terminal = page.locator('.terminal-dialog');
    await terminal.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    await customer.button('Close', terminal).first().click();
    await terminal.waitFor({ state: 'hidden' });
    assert.ok(await sheet.isVisible());

    // Closing a question in the sheet leaves the sheet open.
    await customer.button('Destroy', lease).click();
    const question = page.locator('dialog[open]', { hasText: 'to confirm' }).last();
    await page.mouse.click(190, 20);
    await question.locator('form').waitFor({ state: 'detached' });
    assert.ok(await sheet.isVisible());
    await untouched(page);

    await customer.button('Destroy', lease).click();
    await question.getByRole('textbox').fill(await lease.getAttribute('aria-label'));
    await customer.button('Destroy it', question).click();
    await closed();
    await line.waitFor({ state: 'detached' });
    await until('the focus to be in the box', () => page.evaluate(() => document.activeElement?.id === 'message'));
    await until('the container to be gone', async () => !(await site.simulator.container(ctid)));
    await untouched(page);
  });

  test('counts several containers, is not there on other pages, and not on a wide screen', async () => {
    const { customer, page, line, sheet, open } = await come(14);
    await customer.payButton(await customer.askForLease()).click();
    await customer.delivered(page.locator('dialog.sheet'));
    await customer.close();
    assert.equal(await line.count(), 0);
    await customer.go('Chat');
    await line.filter({ hasText: /^2 containers · first ends in (30|29|28) min$/ }).waitFor();
    await untouched(page);
    await open();
    assert.equal(await sheet.locator('.lease').count(), 2);
    await page.keyboard.press('Escape');
    await page.setViewportSize(DESKTOP);
    await line.waitFor({ state: 'detached' });
    await page.setViewportSize(PHONE);
    await line.waitFor();
  });
});
