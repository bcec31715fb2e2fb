// The bundle on a host that was not made for it.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { visit } from '../browser/customer.mjs';
import { settled } from '../browser/payments.mjs';
import { startElsewhere } from '../browser/site.mjs';
import { inBrowser } from '../browser/suite.mjs';

inBrowser('the interface on any static host', (stage) => {
  let site, browser;
  before(() => ({ site, browser } = stage));

  test('talks, leases and shows receipts as from its own server', async () => {
    const page = await visit(browser, site);
    await page.useBurner(20);
    await page.fund();
    await page.page.locator('#message').fill('Lease 1 core, 512 MB for 30 minutes');
    await page.page.keyboard.press('Enter');
    await page.payButton(await page.slip(page.page.locator('.answer'))).click();
    const { ctid } = await page.delivered();
    await page.signIn();
    await page.go('Leases');
    await page.lease(ctid).waitFor();
    await page.go('Receipts');
    await page.page.locator('.receipts tbody tr').waitFor();
    assert.equal((await settled(site, 20)).length, 1);
    await page.leave();
  });
}, startElsewhere);
