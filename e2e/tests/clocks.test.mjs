// Devices whose clocks are wrong by minutes and by a day: they pay, sign in and count down by the service's clock, and say so.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setDeviceClock } from '../browser/clock.mjs';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { settled, watchSignatures } from '../browser/payments.mjs';
import { slow } from '../browser/slow-wallet.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

const MINUTES = 60;
const DAY = 24 * 60 * MINUTES;
const CLOCKS = [
  [-10 * MINUTES, '10 min behind', 90, PHONE],
  [10 * MINUTES, '10 min ahead of', 91, DESKTOP],
  [-DAY, '1 d behind', 92, DESKTOP],
  [DAY, '1 d ahead of', 93, PHONE],
];

inBrowser('a device whose clock is wrong', (stage) => {
  let site;
  before(() => ({ site } = stage));

  for (const [ahead, words, account, viewport] of CLOCKS) {
    test(`by ${words} the service's: pays, signs in and counts down by the service's, and is told`, async () => {
      const customer = await stage.visit({
        viewport, before: (page) => setDeviceClock(page, ahead), wallet: (page) => slow(page, account),
      });
      const { page, wallet } = customer;
      await page.locator('.banner', { hasText: `This device's clock is ${words} the service's.` }).waitFor();
      await customer.connect(wallet.name);
      await customer.fund();
      await customer.signIn();
      const slip = await customer.askForLease();
      assert.match(await slip.locator('.fact', { hasText: 'Offer valid for' }).innerText(), /(5:00|4:5\d)/);
      await customer.picture(`clock-${ahead}`);
      const sent = watchSignatures(page);
      await customer.payButton(slip).click();
      const { ctid } = await customer.delivered();
      await customer.close();
      assert.equal((await settled(site, account)).length, 1);
      const { payload } = JSON.parse(Buffer.from(sent[0], 'base64'));
      const { validAfter, validBefore } = payload.authorization;
      const now = Date.now() / 1000;
      assert.ok(Number(validAfter) < now && Math.abs(Number(validBefore) - now - 300) < 60, `${validAfter} ${validBefore} ${now}`);

      const left = customer.lease(ctid).locator('.meter-words');
      await left.waitFor();
      // The service's clock is known by the Date of its responses, in whole seconds and late by the time on the way.
      assert.match(await left.innerText(), /^(1:00:0[0-2]|59:\d\d) left$/);
      // After a reload the session is still valid.
      await page.reload();
      await customer.lease(ctid).waitFor();
    });
  }

  test('by half a minute: nothing is said', async () => {
    const customer = await stage.visit({ before: (page) => setDeviceClock(page, 30) });
    const { page } = customer;
    await page.locator('.form-price .line-amount').first().waitFor();
    assert.equal(await page.getByText(/This device's clock/).count(), 0);
  });

  test('by a month: it is told to be set, and nothing is signed by a time that far off', async () => {
    const customer = await stage.visit({
      before: (page) => setDeviceClock(page, 30 * DAY), wallet: (page) => slow(page, 94),
    });
    const { page, wallet } = customer;
    await page.locator('.banner', { hasText: "set this device's clock" }).waitFor();
    await customer.connect(wallet.name);
    await customer.fund();
    wallet.hold('eth_signTypedData_v4');
    await customer.payButton(await customer.askForLease()).click();
    await until('the wallet to be asked', () => wallet.waiting('eth_signTypedData_v4').length === 1);
    const { validBefore } = JSON.parse(wallet.waiting('eth_signTypedData_v4')[0].params[1]).message;
    assert.ok(Math.abs(Number(validBefore) - Date.now() / 1000 - 30 * DAY - 300) < 60);
  });
});
