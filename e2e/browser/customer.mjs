// A customer at the page, with the actions of one. A visit records errors in the console and requests to other origins, and
// `leave` fails if there were any.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { privateKey } from '../chain/accounts.mjs';

const ARTIFACTS = fileURLToPath(new URL('../artifacts/', import.meta.url));
export const DESKTOP = { width: 1280, height: 860 };
export const LAPTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };
/** Chromium reports every 402 as an error; here it is how a price is asked for. */
const PRICED = /status of 402/;
/** A simulated lease takes a few seconds on a busy machine. */
const PATIENT = { timeout: 60_000 };

/** Records for which events the page's window has listeners. Runs in each page before its own scripts. */
function recordListeners() {
  window.listenedEvents = new Set();
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    add.call(this, type, ...rest);
    if (this === window) window.listenedEvents.add(type);
  };
}

/** Opens the page in a browser of its own. `expected` are console errors that the test itself causes; `before` prepares the page. */
export async function visit(browser, site, { viewport = DESKTOP, theme = 'light', hasTouch = false, wallet, before, expected = [], path = '/' } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: theme, hasTouch, isMobile: hasTouch, reducedMotion: 'reduce' });
  await context.addInitScript(recordListeners);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  page.on('console', (message) => {
    const text = `${message.text()} ${message.location().url}`;
    if (message.type() === 'error' && ![PRICED, ...expected].some((known) => known.test(text))) complaints.push(`console: ${text}`);
  });
  page.on('pageerror', (error) => complaints.push(`page: ${error.message}`));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http') && !site.origins.includes(origin)) complaints.push(`request to ${origin}`);
  });
  const injected = await wallet?.(page);
  await before?.(page);
  await page.goto(site.url + path);
  try {
    await page.locator('.wallet-button').waitFor();
  } catch (error) {
    error.message += `\nThe page said:\n${complaints.join('\n')}`;
    throw error;
  }
  return new Customer(page, context, site, complaints, injected);
}

class Customer {
  constructor(page, context, site, complaints, wallet) {
    Object.assign(this, { page, context, site, complaints, wallet });
  }

  button(name, within = this.page) {
    return within.getByRole('button', { name, exact: typeof name === 'string' });
  }

  /** Takes the burner wallet, with a public development key. */
  async useBurner(account) {
    await this.page.locator('.wallet-button').click();
    const dialog = this.page.locator('.wallet-dialog');
    await dialog.locator('.import input').fill(privateKey(account));
    await this.button('Import', dialog).click();
    await this.left(dialog);
  }

  /** Connects an injected wallet by its name. */
  async connect(name) {
    await this.page.locator('.wallet-button').click();
    const dialog = this.page.locator('.wallet-dialog');
    await dialog.locator('.wallet-row', { hasText: name }).click();
    await this.left(dialog);
  }

  /** Gets play money from the demo's faucet. */
  async fund() {
    await this.page.locator('.wallet-button').click();
    const dialog = this.page.locator('.wallet-dialog');
    await this.button('Get 10 test USDC', dialog).click();
    await dialog.getByText('10.00').first().waitFor();
    await this.button('Close', dialog).click();
    await this.left(dialog);
  }

  /** Waits until a tab listens to changes by other tabs: it loads the code for that once it is idle. */
  async listensToOtherTabs(page = this.page) {
    await page.waitForFunction(() => window.listenedEvents.has('storage'));
  }

  async signIn() {
    await this.page.locator('.wallet-button').click();
    const dialog = this.page.locator('.wallet-dialog');
    await this.button('Sign in', dialog).click();
    await this.button('Sign out', dialog).waitFor();
    await this.button('Close', dialog).click();
    await this.left(dialog);
  }

  /** Waits until a dialog is closed and its entry is gone from the browser's history: a reload before that would be cancelled. */
  async left(dialog) {
    await dialog.waitFor({ state: 'hidden' });
    await this.page.waitForFunction(() => (history.state ?? 0) === document.querySelectorAll('dialog[open]').length);
  }

  async go(page) {
    await this.page.getByRole('link', { name: page, exact: true }).first().click();
    // A page that is being loaded has no heading, and the page before it may still be there.
    const name = page === 'Chat' ? /./ : page;
    await this.page.getByRole('heading', { level: 1, name }).first().waitFor();
  }

  /** Continues to the pay card with the form's values. */
  async askForLease() {
    await this.go('Leases');
    await this.button('Continue to payment', this.page.locator('.lease-form')).click();
    return this.slip();
  }

  /** Leases a container with the form's values, pays for it and closes the sheet; gives its number. */
  async leaseContainer() {
    await this.payButton(await this.askForLease()).click();
    const { ctid } = await this.delivered();
    await this.close();
    return ctid;
  }

  /** Sends a message to the agent. */
  async ask(words) {
    await this.page.locator('#message').fill(words);
    await this.page.locator('#message').press('Enter');
  }

  /** The pay card once its price is there. */
  async slip(within = this.page.locator('dialog.sheet')) {
    const slip = within.locator('.slip').last();
    await this.payButton(slip).waitFor();
    return slip;
  }

  /** The pay card of the agent's last answer, with or without its price. */
  lastSlip() {
    return this.page.locator('.answer').last().locator('.slip');
  }

  payButton(slip) {
    return slip.getByRole('button', { name: /^Pay / });
  }

  async says(slip, words, options = PATIENT) {
    await slip.locator('.slip-status', { hasText: words }).waitFor(options);
  }

  /** Waits until the new container is there; gives its number and its password. */
  async delivered(within = this.page) {
    const delivered = within.locator('.delivered').last();
    await delivered.waitFor(PATIENT);
    const ctid = Number(await delivered.locator('.tag').innerText());
    const password = await delivered.locator('.made-password-text code').innerText({ timeout: 1000 }).catch(() => null);
    return { ctid, password };
  }

  async close(dialog = this.page.locator('dialog.sheet')) {
    await this.button('Done', dialog).click();
    await this.left(dialog);
  }

  /** The lease's card on the board. */
  lease(ctid) {
    return this.page.locator('.lease', { has: this.page.locator('.tag', { hasText: String(ctid) }) });
  }

  async picture(name) {
    mkdirSync(ARTIFACTS, { recursive: true });
    await this.page.screenshot({ path: `${ARTIFACTS}${name}.png`, animations: 'disabled' });
  }

  async leave() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }
}
