// The interface's program is loaded in chunks: which a first visit loads, which follow, and the error where one cannot be loaded.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { assets } from '../browser/site.mjs';
import { inBrowser } from '../browser/suite.mjs';

const CHUNK = /\/assets\/(split|chunk)_[^/]*\.wasm$/;
/** The most that a first visit may load, in compressed bytes. */
const FIRST_VISIT = 250 * 1024;
const NOT_LOADED = [/ERR_FAILED/, /Failed to fetch/];
const withhold = (page) => page.route(CHUNK, (route) => route.abort());

inBrowser('the chunks of the program', (stage) => {
  let site, browser;
  before(() => ({ site, browser } = stage));

  /** The files that a first visit loads, each with its start in milliseconds, and when the page became usable. */
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

  test('are loaded after the page can be used, each once', async () => {
    const { usableAt, files } = await loaded();
    const chunks = files.filter(({ name }) => CHUNK.test(name));
    assert.equal(new Set(chunks.map(({ name }) => name)).size, chunks.length, 'each once');
    assert.deepEqual(chunks.filter(({ startTime }) => startTime <= usableAt), [], 'none before the page can be used');
  });

  test('are not part of a first visit, which keeps its budget', async (t) => {
    if (!assets().some((name) => name.endsWith('.wasm.br'))) return t.skip('a development bundle is not compressed');
    const { usableAt, files } = await loaded();
    const first = files.filter(({ startTime }) => startTime <= usableAt);
    const bytes = first.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
    t.diagnostic(`a first visit loads ${bytes} bytes in ${first.length} files`);
    assert.ok(bytes < FIRST_VISIT, `${bytes} bytes`);
  });

  test('are loaded by "Try again" after a failure', async () => {
    const customer = await stage.visit({ before: withhold, expected: NOT_LOADED });
    await customer.page.getByRole('link', { name: 'Settings', exact: true }).click();
    await customer.page.getByRole('alert').filter({ hasText: 'could not be loaded' }).waitFor();
    await customer.page.unroute(CHUNK);
    await customer.button('Try again').click();
    await customer.page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
  });

  test('leave a message in its box when the chunk that sends it cannot be loaded', async () => {
    const customer = await stage.visit({ before: withhold, expected: NOT_LOADED });
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
  });

  test('are loaded before the page for a customer with conversations, and the page waits for them', async () => {
    const customer = await stage.visit({ expected: NOT_LOADED });
    const { page } = customer;
    await customer.ask('How busy is the node?');
    await customer.button('Copy answer').waitFor();
    await withhold(page);
    await page.reload();
    await page.waitForEvent('requestfailed');
    assert.ok(await page.locator('#loading').isVisible(), 'a page without them would show no conversations');
    await page.unroute(CHUNK);
    await page.locator('.question', { hasText: 'How busy is the node?' }).waitFor();
    assert.equal(await page.locator('.history-title').first().innerText(), 'How busy is the node?');
  });
});
