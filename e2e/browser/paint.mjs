// First contentful paint and time to interactive of the interface: medians of visits, each with an empty cache, by the page's
// own clock since the request. `node browser/paint.mjs VISITS`

import { launch } from './chromium.mjs';
import { startSite } from './site.mjs';

const visits = Number(process.argv[2] ?? 9);

/** Records when the message box takes text. Runs in the page before its own scripts. */
function watch() {
  const look = () => {
    const box = document.querySelector('textarea');
    if (box && !box.disabled) window.usableAt = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}

async function visit(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(watch);
  await page.goto(url);
  await page.waitForFunction(() => window.usableAt !== undefined);
  await page.locator('textarea').fill('hello');
  const found = await page.evaluate(() => ({
    painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    usable: window.usableAt,
  }));
  await context.close();
  return found;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

const site = await startSite();
const browser = await launch();
try {
  await visit(browser, site.url);
  const found = [];
  for (let number = 0; number < visits; number += 1) found.push(await visit(browser, site.url));
  console.log(`first contentful paint = ${median(found.map(({ painted }) => painted)).toFixed(1)} ms`);
  console.log(`time to interactive = ${median(found.map(({ usable }) => usable)).toFixed(1)} ms`);
} finally {
  await browser.close();
  await site.stop();
}
