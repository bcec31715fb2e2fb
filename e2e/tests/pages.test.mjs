// Every page: pictures at desktop and phone width in both themes, and its accessibility by axe.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';

const PAGES = ['Chat', 'Leases', 'Receipts', 'Settings'];
const LOOKS = [
  { name: 'desktop', viewport: DESKTOP, theme: 'light' },
  { name: 'desktop-dark', viewport: DESKTOP, theme: 'dark' },
  { name: 'phone', viewport: PHONE, theme: 'light' },
  { name: 'phone-dark', viewport: PHONE, theme: 'dark' },
];

inBrowser('every page', (stage) => {
  for (const look of LOOKS) {
    test(`is accessible, ${look.name}`, async () => {
      const customer = await stage.visit(look);
      const found = {};
      const check = async (name) => {
        found[name] = await violations(customer.page);
        await customer.picture(`${name.toLowerCase()}-${look.name}`);
      };
      for (const page of PAGES) {
        await customer.go(page);
        await check(`${page}-stranger`);
      }
      await customer.page.locator('.wallet-button').click();
      await check('Wallet');
      await customer.button('Close', customer.page.locator('.wallet-dialog')).click();

      await customer.useBurner(20 + LOOKS.indexOf(look));
      await customer.fund();
      const slip = await customer.askForLease();
      await check('Payment');
      await customer.payButton(slip).click();
      await customer.delivered();
      await check('Delivered');
      await customer.close();
      await customer.signIn();
      await customer.page.locator('.lease').first().waitFor();
      await check('Leases');
      await customer.go('Receipts');
      await customer.page.locator('.receipts tbody tr').first().waitFor();
      await check('Receipts');
      const none = Object.fromEntries(Object.keys(found).map((name) => [name, []]));
      assert.deepEqual(found, none);
    });
  }
});
