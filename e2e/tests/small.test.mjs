// Small screens, touch, and forced colours: everything can be seen, reached and pressed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESKTOP, PHONE } from '../browser/customer.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { holds, until } from '../stack/process.mjs';

const TINY = { width: 320, height: 568 };
/** A desktop window at 200 % zoom. */
const ZOOMED = { width: 640, height: 400 };
const PAGES = ['Chat', 'Leases', 'Receipts', 'Settings'];
/** The least height of something that a finger presses, in pixels. */
const FINGER = 44;

inBrowser('a customer with a small screen', (stage) => {

  for (const viewport of [TINY, ZOOMED, { width: 1280, height: 420 }]) {
    test(`begins at the top at ${viewport.width} by ${viewport.height}`, async () => {
      const customer = await stage.visit({ viewport });
      const { page } = customer;
      // The page does not scroll while it loads the other chunks.
      await holds('the log at its top', () => page.locator('#log').evaluate((log) => log.scrollTop === 0));
      const bar = await page.locator('.banners').boundingBox();
      assert.ok((await page.locator('#content').boundingBox()).y <= bar.y + bar.height + 1, 'the page begins below the banners');
      assert.equal(await page.locator('.to-latest').count(), 0);
    });
  }

  test('has every page within 320 pixels, and the header whole', async () => {
    const customer = await stage.visit({ viewport: TINY });
    const { page } = customer;
    for (const name of PAGES) {
      await customer.go(name);
      const wide = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('.app').scrollWidth));
      assert.ok(wide <= TINY.width, `${name} is ${wide} pixels wide`);
      await customer.picture(`${name.toLowerCase()}-tiny`);
    }
    const { x, width } = await page.locator('.wallet-button').boundingBox();
    assert.ok(x + width <= TINY.width - 4, `the wallet's button ends at ${x + width}`);
    const clipped = await page.locator('.wallet-button').evaluate((button) => button.scrollWidth > button.clientWidth);
    assert.ok(!clipped, 'its words are whole');
  });

  for (const [index, viewport] of [TINY, ZOOMED].entries()) {
    test(`has the Pay button in sight at ${viewport.width} by ${viewport.height}, whatever the agent says below it`, async () => {
      const customer = await stage.visitWithMoney(27 + index, { viewport });
      const { page } = customer;
      await customer.ask('Lease 1 core, 512 MB for 30 minutes');
      const pay = customer.payButton(await customer.slip(page.locator('.answer').last()));
      await until('the button in sight', () => inSight(pay));
      await holds('the button in sight', () => inSight(pay));
      await customer.picture(`pay-${viewport.width}`);
    });
  }

  test('hits everything with a finger, and comes to the form at once', async () => {
    const customer = await stage.visitWithMoney(29, { viewport: PHONE, hasTouch: true });
    const { page } = customer;
    await customer.leaseContainer();
    await customer.signIn();
    const small = () =>
      page.evaluate((finger) => {
        const all = [...document.querySelectorAll('.app :is(button, input, select, summary, textarea), .app a.button')];
        const shown = all.filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 2);
        // Checkboxes and radio buttons are pressed by their labels.
        const hit = (one) => (one.matches('[type=checkbox], [type=radio]') ? one.closest('label') : one).getBoundingClientRect();
        const low = shown.filter((one) => Math.round(hit(one).height) < finger);
        return low.map((one) => `${one.tagName} ${one.className || one.type} ${hit(one).height}`);
      }, FINGER);
    const found = {};
    for (const name of PAGES) {
      await customer.go(name);
      if (name === 'Leases') {
        await page.locator('.lease').waitFor();
        await customer.picture('leases-touch');
      }
      found[name] = await small();
    }
    assert.deepEqual(found, { Chat: [], Leases: [], Receipts: [], Settings: [] });

    await customer.go('Leases');
    await customer.button('New container', page.locator('.page-head')).click();
    await until('the form in sight', () => inSight(page.locator('.lease-form').getByRole('slider', { name: 'Cores' })));
  });

  test('reads the whole name of a container', async () => {
    for (const viewport of [DESKTOP, TINY]) {
      const customer = await stage.visitWithMoney(30, { viewport });
      await customer.leaseContainer();
      await customer.signIn();
      const heading = customer.page.locator('.lease-head h2').first();
      await heading.waitFor();
      assert.ok(await heading.evaluate((name) => name.scrollWidth <= name.clientWidth + 1), `${viewport.width}`);
      assert.notEqual(await heading.evaluate((name) => getComputedStyle(name).textOverflow), 'ellipsis');
      await customer.picture(`name-${viewport.width}`);
      await customer.leave();
    }
  });

  test('sees meters, sliders and what is chosen in a system’s own colours', async () => {
    const customer = await stage.visitWithMoney(31);
    const { page } = customer;
    await page.emulateMedia({ forcedColors: 'active' });
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const card = customer.lease(ctid);
    await card.locator('.bar-fill').first().waitFor({ state: 'attached' });
    const ground = (locator) => locator.first().evaluate((one) => getComputedStyle(one).backgroundColor);
    const canvas = await ground(page.locator('body'));
    for (const part of [card.locator('.meter-fill'), card.locator('.bar-fill'), page.locator('.tab[aria-current]')]) {
      assert.notEqual(await ground(part), canvas);
    }
    assert.notEqual(await ground(page.locator('.tab[aria-current]')), await ground(page.locator('.tab:not([aria-current])')));
    for (const track of [card.locator('.meter-track'), card.locator('.bar-track')]) {
      assert.equal(await track.first().evaluate((one) => getComputedStyle(one).borderTopStyle), 'solid');
    }
    const slider = page.locator('.lease-form input[type=range]').first();
    assert.equal(await slider.evaluate((one) => getComputedStyle(one).appearance), 'auto');
    await customer.picture('leases-forced');
    await customer.askForLease();
    await customer.picture('payment-forced');
    await page.keyboard.press('Escape');
    await customer.go('Settings');
    const segment = (state) => page.locator(`.segment input${state} + span`);
    assert.notEqual(await ground(segment(':checked')), await ground(segment(':not(:checked)')));
    await customer.picture('settings-forced');
  });

  test('has messages over nothing that moves, and what opens in the wallet in sight', async () => {
    const customer = await stage.visit({ viewport: PHONE });
    const { page } = customer;
    await customer.useBurner(32);
    const box = async () => JSON.stringify(await page.locator('.composer').boundingBox());
    const before = await box();
    await customer.fund();
    await page.locator('.toast').waitFor();
    assert.equal(await box(), before, 'the page stays where it is');
    await page.locator('.toast').waitFor({ state: 'hidden', timeout: 10_000 });
    assert.equal(await box(), before);

    await page.locator('.wallet-button').click();
    const dialog = page.locator('.wallet-dialog');
    await dialog.getByText('Export, delete or replace').click();
    await customer.button('Show private key', dialog).click();
    await until('the key in sight', () => inSight(dialog.locator('.key code')));
    await customer.button('Delete this wallet', dialog).click();
    await until('the question in sight', () => inSight(customer.button('Delete the key', dialog)));
  });
});
