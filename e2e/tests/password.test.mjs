// A password that is shown once is not lost: it comes into sight, is not left uncopied by accident, and can be chosen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAPTOP, PHONE } from '../browser/customer.mjs';
import { payWithoutAsking } from '../browser/payments.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

const SCREENS = [
  { name: 'laptop', viewport: LAPTOP, theme: 'dark', account: 31 },
  { name: 'phone', viewport: PHONE, theme: 'light', account: 32 },
];

inBrowser('the password of a new container', (stage) => {
  for (const { name, viewport, theme, account } of SCREENS) {
    test(`on a ${name}: the password comes into sight even if the sheet was closed meanwhile, and is not left uncopied without a question`, async () => {
      const customer = await stage.visitWithMoney(account, { viewport, theme });
      const { page } = customer;
      const slip = await customer.askForLease();
      await customer.picture(`sheet-offer-${name}`);
      assert.ok(await inSight(customer.payButton(slip)), '"pay" is in sight without scrolling');
      await customer.payButton(slip).click();
      const sheet = page.locator('dialog.sheet');
      await until('the focus to follow the payment', () => sheet.evaluate((sheet) => sheet.contains(document.activeElement)));
      await page.keyboard.press('Escape');
      await sheet.waitFor({ state: 'hidden' });
      await customer.delivered();
      await sheet.waitFor();
      const password = sheet.locator('.made-password-text code');
      await until('the password to be in sight', () => inSight(password));
      await customer.picture(`sheet-delivered-${name}`);
      assert.ok(await inSight(customer.button('Done', sheet)), 'and so is the way out');
      assert.ok(await sheet.locator('.bought').evaluate((box) => box.contains(document.activeElement)), 'the focus is there');

      await page.keyboard.press('Escape');
      await sheet.getByText('It was not copied yet').waitFor();
      await customer.picture(`sheet-leaving-${name}`);
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
      assert.ok(await password.isVisible(), 'neither Escape nor a press on the backdrop nor Back nor a reload takes it away');
      await customer.button('Stay here', sheet).click();
      await sheet.getByRole('link', { name: 'Open the lease board' }).click();
      await customer.button('Stay here', sheet).click();
      await customer.button('Close', sheet).click();
      await customer.button('Close without copying', sheet).click();
      await sheet.waitFor({ state: 'hidden' });
      assert.equal(await page.locator('.running').count(), 0);
    });
  }

  test('a customer who has copied the password is not asked', async () => {
    const customer = await stage.visit();
    await customer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await customer.useBurner(33);
    await customer.fund();
    const { page } = customer;
    const sheet = page.locator('dialog.sheet');
    const buyAndCopy = async () => {
      await customer.button('Continue to payment', page.locator('.lease-form')).click();
      await customer.payButton(await customer.slip()).click();
      const { password } = await customer.delivered();
      await customer.button('Copy Root password').click();
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

  test('an automatic payment waits for a password that the customer chooses', async () => {
    const customer = await stage.visitWithMoney(41, { before: payWithoutAsking('1000000') });
    const { page } = customer;
    const slip = await customer.askForLease();
    await slip.getByRole('radio', { name: 'My password' }).check();
    await slip.getByText('First enter the password').waitFor();
    assert.ok(await customer.payButton(slip).isDisabled());
    await slip.getByLabel('Root password').fill('correct horse 402 battery');
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal(await page.locator('.made-password').count(), 0);
    await customer.close();
  });
});
