// A payment that cannot be made, or is refused: the page says why beside "Pay", whether money moved, and what to do.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { hideBalances, payWithoutAsking, settled, watchSignatures } from '../browser/payments.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

inBrowser('a customer whose payment is refused', (stage) => {
  let site;
  before(() => ({ site } = stage));

  test('without money, a reason stands beside "Pay" until the faucet was used', async () => {
    const customer = await stage.visit();
    await customer.useBurner(37);
    const slip = await customer.askForLease();
    await slip.getByText('Your balance is lower than the price.').waitFor();
    assert.ok(await customer.payButton(slip).isDisabled());
    await customer.picture('sheet-too-little');
    await customer.button('Get 10 test USDC', slip).click();
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal((await settled(site, 37)).length, 1);
  });

  test('where the balance is unknown, the sheet shows the refusal once and what to do', async () => {
    const customer = await stage.visit({ before: hideBalances, expected: [/status of 404/] });
    await customer.useBurner(38);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'Your balance is too low for this payment. Nothing was charged.');
    await customer.picture('sheet-refused');
    await customer.button('Get 10 test USDC', slip).click();
    await customer.page.getByText('Added 10 test USDC.').waitFor();
    await customer.button('Try again', slip).click();
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal((await settled(site, 38)).length, 1);
  });

  test('in the chat the card says why it was not paid, keeps its lines, and can be paid again', async () => {
    const customer = await stage.visit({ before: hideBalances, expected: [/status of 404/] });
    const { page } = customer;
    await customer.useBurner(39);
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const slip = await customer.slip(page.locator('.answer'));
    const lines = await slip.locator('.lines tbody tr').count();
    assert.ok(lines > 1);
    await customer.payButton(slip).click();
    await slip.getByText('Your balance is too low for this payment. Nothing was charged.').waitFor();
    await customer.picture('chat-refused');
    assert.equal(await slip.locator('.lines tbody tr').count(), lines);
    await customer.button('Get 10 test USDC', slip).click();
    await page.getByText('Added 10 test USDC.').waitFor();
    await customer.payButton(slip).click();
    await customer.delivered();
    assert.equal((await settled(site, 39)).length, 1);
    // After a reload the receipt is still there, with a sentence instead of the password.
    await page.locator('.tool[data-step=completed]').waitFor();
    await page.getByText('Transaction').first().waitFor();
    await customer.button('Copy answer').waitFor();
    await page.reload();
    const card = page.locator('.tool[data-step=completed]');
    await card.locator('.tool-receipt').getByText('Transaction').waitFor();
    await card.getByText('The password was shown once and is not stored.').waitFor();
    await customer.picture('chat-receipt-later');
  });

  test('automatic payments stop at a refusal, and go on after it', async () => {
    const before = async (page) => {
      await hideBalances(page);
      await payWithoutAsking('10000')(page);
    };
    const customer = await stage.visit({ before, expected: [/status of 404/] });
    const { page } = customer;
    const sent = watchSignatures(page);
    await customer.useBurner(40);
    await customer.ask('What do I have running?');
    const slip = customer.lastSlip();
    await slip.getByText('Your balance is too low').waitFor();
    await customer.button('Get 10 test USDC', slip).click();
    await page.getByText('Added 10 test USDC.').waitFor();
    await customer.payButton(slip).click();
    await until('the list to be paid', async () => (await settled(site, 40)).length === 1);
    await customer.button('Copy answer').waitFor();
    await customer.ask('What do I have running?');
    await until('the next list to be paid by itself', async () => (await settled(site, 40)).length === 2);
    assert.ok(sent.length <= 4, `${sent.length} signatures were sent`);
  });
});
