// A real browser for tests: Debian's Chromium, driven by Playwright's core. Nothing of it calls home.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = process.env.INFRA402_CHROMIUM ?? '/usr/bin/chromium';

/** Why there is no browser here, or false; for a test's `skip`. */
export const missing = existsSync(executablePath) ? false : 'chromium is not installed (Debian: apt-get install chromium)';

/** Starts the browser with a fresh profile. */
export const launch = () =>
  chromium.launch({
    executablePath,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
