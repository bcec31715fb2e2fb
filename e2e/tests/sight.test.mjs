// Passwords and buttons are in sight, and nothing covers them, on a desktop, a tablet and a phone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { coveredBy, gap, inSight, pressWithMouse } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';

const SCREENS = [
  { name: 'desktop', viewport: DESKTOP, account: 15 },
  { name: 'tablet', viewport: { width: 1000, height: 760 }, account: 16 },
  { name: 'phone', viewport: PHONE, account: 17 },
];
/** Longer than a toast stays. */
const SOON = { state: 'hidden', timeout: 10_000 };

inBrowser('what a customer sees', (stage) => {
  for (const { name, viewport, account } of SCREENS) {
    test(`on a ${name}: the password that is shown once, all of a long line, and every button`, async () => {
      const customer = await stage.visit({ viewport });
      const { page } = customer;
      const toLatest = page.locator('.to-latest');
      await customer.useBurner(account);
      await customer.fund();

      const toast = page.locator('.toast');
      await toast.waitFor();
      await customer.picture(`toast-${name}`);
      assert.deepEqual(await coveredBy(toast), []);
      await toast.waitFor(SOON);

      await customer.ask('How busy is the node?');
      await customer.button('Copy answer').waitFor();
      await customer.ask('Lease 1 core, 512 MB for 30 minutes');
      const slip = await customer.slip(page.locator('.answer').last());
      await pressWithMouse(page, customer.payButton(slip));
      const { ctid } = await customer.delivered();
      await page.locator('.answer').last().getByRole('button', { name: 'Copy answer' }).waitFor();
      await customer.picture(`chat-paid-${name}`);
      assert.ok(await inSight(page.locator('.made-password-text code')), 'the password is in sight');
      const number = await page.locator('.delivered .tag').boundingBox();
      assert.ok(number.height < 26, 'the container’s number stands on one line');
      assert.equal(await toLatest.count(), 0, 'the log is at its end');

      await customer.ask(`Run \`echo ${'long '.repeat(60)}\` in container ${ctid}`);
      await pressWithMouse(page, customer.payButton(await customer.slip(page.locator('.answer').last())));
      const code = page.locator('.code').last();
      await code.waitFor();
      await page.locator('.answer').last().getByRole('button', { name: 'Copy answer' }).waitFor();
      await customer.picture(`chat-code-${name}`);
      assert.equal(await toLatest.count(), 0, 'the log is at its end');
      assert.ok((await page.locator('#message').boundingBox()).height < 48, 'the message box is as low as before');
      assert.ok(await inSight(code.locator('.copy')), 'the code can be copied');
      const [block, answer] = [await code.boundingBox(), await page.locator('.answer').last().boundingBox()];
      assert.ok(block.x + block.width <= answer.x + answer.width + 1, 'the code keeps to its column');
      const scrolled = await code.locator('pre').evaluate((pre) => {
        pre.scrollLeft = 100_000;
        return pre.scrollLeft;
      });
      assert.ok(scrolled > 100, 'its end can be scrolled to');

      // New messages do not scroll a customer who reads earlier ones.
      await page.mouse.move(answer.x + 20, viewport.height / 2);
      await page.mouse.wheel(0, -300);
      await toLatest.waitFor();
      await toLatest.click();
      await toLatest.waitFor({ state: 'detached' });
    });
  }

  test('in the question before a container is destroyed: its buttons stand apart from its field', async () => {
    const customer = await stage.visitWithMoney(18, { viewport: PHONE });
    const { page } = customer;
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const lease = customer.lease(ctid);
    await customer.button('Destroy', lease).click();
    const dialog = page.locator('dialog[open]', { hasText: 'to confirm' });
    await customer.picture('destroy-phone');
    const apart = await gap(dialog.getByRole('textbox'), customer.button('Destroy it', dialog));
    assert.ok(apart >= 8, `${apart} pixels`);
  });
});
