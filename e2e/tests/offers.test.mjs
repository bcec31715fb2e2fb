// Offers: their names and lines, how long they are valid, and for which account.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { movableServices } from '../browser/clock.mjs';
import { settled } from '../browser/payments.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { quick } from '../browser/wallets.mjs';

inBrowser('an offer', (stage) => {
  let site;
  before(() => ({ site } = stage));

  test('an offer that has expired has one button, for a new price', async () => {
    let services;
    const before = async (page) => {
      await page.clock.install();
      services = await movableServices(page, site);
    };
    const customer = await stage.visit({ before });
    const { page } = customer;
    const pass = async (seconds) => {
      services.move(seconds);
      await page.clock.fastForward(seconds * 1000);
    };
    await customer.useBurner(42);
    await customer.fund();
    await page.clock.runFor(1500);
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const slip = await customer.slip(page.locator('.answer'));
    assert.match(await slip.locator('.fact', { hasText: 'Offer valid for' }).innerText(), /(5:00|4:5\d)/);
    await pass(301);
    await slip.getByText('This offer has expired.').waitFor();
    assert.equal(await customer.payButton(slip).count(), 0);
    await customer.picture('chat-expired');
    await customer.button('Get a new price', slip).click();
    await customer.slip(page.locator('.answer'));
    assert.equal(await page.locator('.turn').count(), 1, 'in place of the old one');

    const form = await customer.askForLease();
    await pass(301);
    await customer.button('Get a new price', form).click();
    await customer.payButton(form).waitFor();
  });

  test('an offer for another account says whose it is and is asked for again', async () => {
    const customer = await stage.visit({ wallet: (page) => quick(page, 43) });
    const { page } = customer;
    await customer.connect(customer.wallet.name);
    await customer.fund();
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const slip = await customer.slip(page.locator('.answer'));
    await customer.wallet.become(44);
    await slip.getByText(/This offer was made for 0x/).waitFor();
    await customer.picture('chat-other-account');
    await customer.fund();
    await customer.button('Ask again for this account', slip).click();
    await customer.payButton(customer.lastSlip()).click();
    await customer.delivered();
    assert.equal((await settled(site, 44)).length, 1);
    assert.equal((await settled(site, 43)).length, 0);
  });

  test('a renewal, a command and a terminal are named and priced by line, and a renewal leaves its receipt', async () => {
    const { customer, page, lease } = await stage.visitWithContainer(47);
    const name = await lease.getAttribute('aria-label');
    const offered = async (words, lines) => {
      const slip = await customer.slip();
      await slip.getByRole('heading', { name: words }).waitFor();
      assert.equal(await slip.locator('.lines tbody tr').count(), lines);
      return slip;
    };
    await customer.button('Terminal', lease).click();
    await customer.button('Cancel', await offered(`Open a terminal to ${name}`, 1)).click();
    await customer.button('Run', lease).click();
    await lease.getByLabel('Command').fill('uptime');
    await customer.button('Run', lease.locator('form.panel')).click();
    await customer.button('Cancel', await offered(`Run \`uptime\` in ${name}`, 1)).click();
    await customer.button('Renew', lease).click();
    await customer.button('Continue to payment', lease).click();
    const slip = await offered(`Renew ${name} for 1 h`, 4);
    await customer.payButton(slip).click();
    const sheet = page.locator('dialog.sheet');
    await sheet.getByText('Transaction').waitFor();
    await sheet.getByText('Runs until').waitFor();
    await customer.picture('sheet-renewed');
    await customer.close();
  });
});
