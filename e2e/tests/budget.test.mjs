// What a customer can spend: the key of the burner wallet, its balance, and the limits that the customer sets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { privateKey } from '../chain/accounts.mjs';
import { LAPTOP, PHONE } from '../browser/customer.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

const SCREENS = [
  { name: 'laptop', viewport: LAPTOP, theme: 'dark' },
  { name: 'phone', viewport: PHONE, theme: 'light' },
];

inBrowser('what a customer can spend', (stage) => {
  test('a key is replaced only after a question, with the old one at hand', async () => {
    const customer = await stage.visit({ viewport: PHONE });
    const { page } = customer;
    const storedKey = () => page.evaluate(() => localStorage.getItem('infra402.burner'));
    await customer.useBurner(34);
    const old = await storedKey();
    await page.locator('.wallet-button').click();
    const dialog = page.locator('.wallet-dialog');
    await dialog.getByText('Export, delete or replace').click();
    const bring = async (account) => {
      await dialog.locator('.import input').fill(privateKey(account));
      await customer.button('Import', dialog).click();
    };
    await bring(35);
    await dialog.getByText('Another key is here').waitFor();
    await until('the question to be in sight', () => inSight(customer.button('Replace the key', dialog)));
    await customer.picture('burner-replace');
    assert.equal(await storedKey(), old);
    const question = dialog.locator('.import .notice');
    await customer.button('Show private key', question).click();
    assert.equal(await question.locator('.key code').innerText(), privateKey(34));
    await customer.button('Cancel', question).click();
    assert.equal(await storedKey(), old);
    await bring(35);
    await customer.button('Replace the key', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(`0x${await storedKey()}`, privateKey(35));
    // The key that is there already replaces nothing, so that no question is asked.
    await page.locator('.wallet-button').click();
    await dialog.getByText('Export, delete or replace').click();
    await bring(35);
    await dialog.waitFor({ state: 'hidden' });
  });

  test('the balance of play money is known without the faucet, and follows the payments', async () => {
    const customer = await stage.visitWithMoney(36);
    const { page } = customer;
    await page.reload();
    const slip = await customer.askForLease();
    await slip.getByText('10.0000 USDC').waitFor();
    await customer.payButton(slip).click();
    await customer.delivered();
    await customer.close();
    await page.locator('.wallet-button').click();
    await page.locator('.wallet-dialog').getByText('9.9900 USDC').waitFor();
  });

  for (const { name, viewport, theme } of SCREENS) {
    test(`on a ${name}: the budget is behind its chip in the header, worked with keys`, async () => {
      const customer = await stage.visit({ viewport, theme });
      const { page } = customer;
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
      await customer.picture(`budget-${name}`);
      const kept = await page.evaluate(() => JSON.parse(localStorage.getItem('infra402.budget')));
      assert.deepEqual(kept, { perPayment: null, perSession: '500000', autoBelow: '2000' });
      await page.keyboard.press('Escape');
      await limits.waitFor({ state: 'hidden' });
      assert.ok(await chip.evaluate((chip) => chip === document.activeElement), 'the focus is back');
      await customer.go('Settings');
      assert.equal(await page.locator('.settings').getByLabel('Limit for this session').inputValue(), '0.5000');
      await page.locator('.settings').getByRole('radio', { name: 'Ask always' }).check();
      await chip.click();
      assert.equal(await limits.getByLabel('Pay without asking up to').count(), 0, 'both places say the same');
    });
  }
});
