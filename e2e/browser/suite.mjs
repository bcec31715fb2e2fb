// A group of tests with the whole system and a browser of their own; skipped where either is missing, with the reason.

import { after, before, describe } from 'node:test';
import { launch, missing as noBrowser } from './chromium.mjs';
import { missing as noBundle, startSite } from './site.mjs';

/** `startStage` starts the system; `tests` is called with a stage that has its `site` and `browser` from the first test on. */
export function inBrowser(name, tests, startStage = startSite) {
  describe(name, { skip: noBrowser || noBundle, timeout: 300_000 }, () => {
    const stage = {};
    before(async () => {
      stage.site = await startStage();
      stage.browser = await launch();
    });
    after(async () => {
      await stage.browser?.close();
      await stage.site?.stop();
    });
    tests(stage);
  });
}
