// The bundle in a folder of any static host, with the services at other origins.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PHONE } from '../browser/customer.mjs';
import { settled } from '../browser/payments.mjs';
import { startElsewhere } from '../browser/site.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { until } from '../stack/process.mjs';

inBrowser('the interface in a folder of any static host', (stage) => {
  let site;
  before(() => ({ site } = stage));

  /** Visits, and records the requests to the host outside of the folder, and those that it answers with 404. */
  async function come(options) {
    const strays = [];
    const folder = new URL(`${site.url}/`);
    const watch = (page) => {
      page.on('request', (request) => {
        const { origin, pathname } = new URL(request.url());
        const asked = pathname !== folder.pathname.slice(0, -1);
        if (origin === folder.origin && asked && !pathname.startsWith(folder.pathname)) strays.push(pathname);
      });
      page.on('response', (response) => response.status() === 404 && strays.push(response.url()));
    };
    const customer = await stage.visit({ before: watch, ...options });
    return { customer, page: customer.page, strays };
  }

  test('talks, leases in the chat and by the form, opens a terminal and shows receipts as from its own server', async () => {
    const { customer, page, strays } = await come();
    await customer.useBurner(20);
    await customer.fund();
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    await customer.payButton(await customer.slip(page.locator('.answer'))).click();
    const { ctid } = await customer.delivered();

    await customer.payButton(await customer.askForLease()).click();
    const { ctid: second } = await customer.delivered(page.locator('dialog.sheet'));
    await customer.close();
    await customer.signIn();
    await customer.lease(ctid).waitFor();

    await customer.button('Terminal', customer.lease(second)).click();
    await customer.payButton(await customer.slip()).click();
    const dialog = page.locator('.terminal-dialog');
    await dialog.locator('.dot[data-open=true]').waitFor({ timeout: 60_000 });
    await dialog.locator('.xterm').click();
    await page.keyboard.type('echo $((6 * 7)) apples\n');
    await until('the terminal to answer', async () => (await dialog.locator('.xterm-rows').innerText()).includes('42 apples'));
    const styled = await dialog.locator('.xterm-viewport').evaluate((viewport) => getComputedStyle(viewport).position);
    assert.equal(styled, 'absolute', 'the terminal’s own style sheet is there');
    await customer.button('Close', dialog).first().click();

    await customer.go('Receipts');
    await until('three receipts', async () => (await page.locator('.receipts tbody tr').count()) === 3);
    assert.equal((await settled(site, 20)).length, 3);
    assert.deepEqual(strays, []);
  });

  test('is found without the slash at its end, by its file’s name and at the address of a page', async () => {
    for (const [path, heading] of [['', 'Conversation'], ['/index.html', 'Conversation'], ['/#/leases', 'Leases'], ['/?from=shop#/settings', 'Settings']]) {
      const { customer, page, strays } = await come({ path, viewport: PHONE });
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
      // A reload of a page's address, and a link from it, stay in the folder.
      await page.reload();
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
      await customer.go('Receipts');
      const { pathname, hash } = new URL(page.url());
      assert.ok(pathname.startsWith('/shop/ui/'), pathname);
      assert.equal(hash, '#/receipts');
      assert.deepEqual(strays, []);
      await customer.leave();
    }
  });

  test('can be put on a phone’s start screen, and then starts in its folder', async () => {
    const { customer, page } = await come();
    const [manifest, icon] = await Promise.all(
      ['manifest', 'icon'].map((rel) => page.locator(`link[rel=${rel}]`).evaluate((link) => link.href)),
    );
    const { start_url: start, icons } = await (await fetch(manifest)).json();
    assert.equal(new URL(start, manifest).href, `${site.url}/`);
    assert.equal(new URL(icons[0].src, manifest).href, icon);
    assert.equal((await fetch(icon)).status, 200);
  });
}, startElsewhere);
