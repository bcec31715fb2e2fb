// The application comes in parts: what a first visit loads, what follows, and what a customer sees when a part does not come.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { visit } from '../browser/customer.mjs';
import { assets } from '../browser/site.mjs';
import { inBrowser } from '../browser/suite.mjs';

const CHUNK = /\/assets\/(split|chunk)_[^/]*\.wasm$/;
/** Promised for a first visit, in bytes as they travel. */
const FIRST_VISIT = 250 * 1024;
const NOT_LOADED = [/ERR_FAILED/, /Failed to fetch/];
const withhold = (page) => page.route(CHUNK, (route) => route.abort());

inBrowser('the parts of the application', (stage) => {
  let site, browser;
  before(() => ({ site, browser } = stage));

  /** A first visit, with what it has loaded and when, in milliseconds. */
  async function loaded() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(() => {
      const look = () => {
        if (document.querySelector('#message')) window.usableAt = performance.now();
        else requestAnimationFrame(look);
      };
      look();
    });
    await page.goto(site.url);
    const all = assets().filter((name) => CHUNK.test(`/assets/${name}`)).length;
    const allCame = ({ part, all }) => {
      const files = performance.getEntriesByType('resource');
      return files.filter(({ name }) => new RegExp(part).test(name)).length >= all;
    };
    await page.waitForFunction(allCame, { part: CHUNK.source, all });
    const found = await page.evaluate(() => ({
      usableAt: window.usableAt,
      files: [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .map(({ name, startTime, encodedBodySize }) => ({ name, startTime, encodedBodySize })),
    }));
    await context.close();
    return found;
  }

  test('come after the page can be used, each once, and are not part of the first visit', async (t) => {
    const { usableAt, files } = await loaded();
    const parts = files.filter(({ name }) => CHUNK.test(name));
    assert.equal(new Set(parts.map(({ name }) => name)).size, parts.length, 'each once');
    assert.deepEqual(parts.filter(({ startTime }) => startTime <= usableAt), [], 'none before the page can be used');
    const first = files.filter(({ startTime }) => startTime <= usableAt);
    const bytes = first.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
    if (!assets().some((name) => name.endsWith('.wasm.br'))) {
      t.diagnostic('a development bundle is not compressed: its size says nothing');
      return;
    }
    t.diagnostic(`a first visit loads ${bytes} bytes in ${first.length} files`);
    assert.ok(bytes < FIRST_VISIT, `${bytes} bytes`);
  });

  test('are asked for again when they did not come', async () => {
    const customer = await visit(browser, site, { before: withhold, expected: NOT_LOADED });
    await customer.page.getByRole('link', { name: 'Settings', exact: true }).click();
    await customer.page.getByRole('alert').filter({ hasText: 'could not be loaded' }).waitFor();
    await customer.page.unroute(CHUNK);
    await customer.button('Try again').click();
    await customer.page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
    await customer.leave();
  });

  test('leave a message in its box when what sends it did not come', async () => {
    const customer = await visit(browser, site, { before: withhold, expected: NOT_LOADED });
    const box = customer.page.locator('#message');
    await box.fill('How busy is the node?');
    await box.press('Enter');
    await customer.page.getByRole('alert').filter({ hasText: 'could not be sent' }).waitFor();
    assert.equal(await box.inputValue(), 'How busy is the node?');
    await customer.page.unroute(CHUNK);
    await box.press('Enter');
    await customer.page.locator('.question', { hasText: 'How busy is the node?' }).waitFor();
    await customer.page.getByRole('alert').waitFor({ state: 'detached' });
    assert.equal(await box.inputValue(), '');
    await customer.leave();
  });

  test('come before the page for a customer with conversations, and the page waits for them', async () => {
    const customer = await visit(browser, site, { expected: NOT_LOADED });
    const { page } = customer;
    await page.locator('#message').fill('How busy is the node?');
    await page.locator('#message').press('Enter');
    await customer.button('Copy answer').waitFor();
    await withhold(page);
    await page.reload();
    await page.waitForEvent('requestfailed');
    assert.ok(await page.locator('#loading').isVisible(), 'a page without them would show no conversations');
    await page.unroute(CHUNK);
    await page.locator('.question', { hasText: 'How busy is the node?' }).waitFor();
    assert.equal(await page.locator('.history-title').first().innerText(), 'How busy is the node?');
    await customer.leave();
  });
});
