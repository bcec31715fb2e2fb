// The commands in the background of a container, on its card: what they print, how they end, and the button that stops them.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { PHONE } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { pay } from '../clients/signed.mjs';

inBrowser('the background commands of a container', (stage) => {
  let site;
  before(() => ({ site } = stage));

  async function begin(account, ctid, command) {
    const begun = await pay(site.api.url, account, 'POST', `/management/exec/${ctid}`, { command, background: true });
    assert.equal(begun.status, 200, JSON.stringify(begun.body));
    return begun.body.commandId;
  }

  test('are listed when they are asked for, with their output and how they ended, and are stopped', async () => {
    const account = 124;
    const { customer, page, lease, ctid } = await stage.visitWithContainer(account);
    const asked = [];
    page.on('request', (request) => /\/commands/.test(request.url()) && asked.push(request.url()));
    await customer.button('Background', lease).click();
    const panel = lease.getByRole('region', { name: 'Background commands' });
    await panel.getByText('No command was begun in the background.').waitFor();
    assert.equal(asked.length, 1);

    await begin(account, ctid, 'echo to-out; echo to-err >&2; exit 3');
    const long = `sleep 600 # ${'x'.repeat(100)}`;
    await begin(account, ctid, long);
    // More than the service returns at once.
    await begin(account, ctid, 'head -c 100000 /dev/zero | tr "\\0" a; echo; echo last-line');
    await customer.button('Refresh', panel).click();
    const rows = panel.getByRole('listitem');
    await rows.nth(2).waitFor();
    const row = (text) => rows.filter({ hasText: text });
    await row('to-out').getByText('Exit code 3').waitFor();
    await row('sleep 600').getByText('Running').waitFor();
    assert.ok(!(await row('sleep 600').innerText()).includes(long), 'a long command is shortened');
    assert.equal(await customer.button(/^Stop/, row('to-out')).count(), 0, 'what has ended is not stopped');

    await customer.button(/^Output of echo to-out/, panel).click();
    await row('to-out').locator('pre', { hasText: 'to-out' }).waitFor();
    await row('to-out').locator('pre', { hasText: 'to-err' }).waitFor();
    assert.equal(await customer.button('More output', panel).count(), 0);
    await panel.scrollIntoViewIfNeeded();
    await customer.picture('commands');
    assert.deepEqual(await violations(page), []);
    await customer.button(/^Output of head/, panel).click();
    const output = row('last-line').locator('pre');
    await output.waitFor();
    assert.equal(await row('to-out').locator('pre').count(), 0, 'one output is open at a time');
    assert.ok(!(await output.innerText()).includes('last-line'), 'the whole is not read at once');
    await customer.button('More output', panel).click();
    await output.getByText('last-line').waitFor();
    assert.equal((await output.textContent()).length, 100_000 + '\nlast-line\n'.length);
    await customer.button(/^Output of head/, panel).click();
    await output.waitFor({ state: 'detached' });

    await page.setViewportSize(PHONE);
    await customer.button(/^Output of echo to-out/, panel).click();
    await row('to-out').locator('pre', { hasText: 'to-err' }).waitFor();
    await panel.scrollIntoViewIfNeeded();
    await customer.picture('commands-phone');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(wide, 0, 'nothing is wider than a phone');

    await customer.button(/^Stop sleep 600/, panel).click();
    await panel.getByText('was asked to end').waitFor();
    await customer.button('Refresh', panel).click();
    await row('sleep 600').getByText('Exit code 143').waitFor();
  });

  test('one that does not end when it is asked is killed, and why they cannot be listed is said', async () => {
    const account = 125;
    const { customer, page, lease, ctid } = await stage.visitWithContainer(account, { expected: [/status of 409/] });
    await begin(account, ctid, "trap '' TERM; echo ready; while :; do sleep 1; done");
    await customer.button('Background', lease).click();
    const panel = lease.getByRole('region', { name: 'Background commands' });
    await customer.button(/^Output of trap/, panel).click();
    await panel.locator('pre', { hasText: 'ready' }).waitFor();
    await customer.button(/^Stop trap/, panel).click();
    await customer.button(/^Kill trap/, panel).click();
    await panel.getByText('was killed').waitFor();
    await customer.button('Refresh', panel).click();
    await panel.getByText('Exit code 137').waitFor();

    const message = 'This needs SSH into the container. No SSH server answers in the container.';
    const commands = `${site.api.url}/lease/*/commands`;
    await page.route(commands, (route) => route.fulfill({
      status: 409, headers: { 'access-control-allow-origin': '*' },
      json: { error: { code: 'ssh_unavailable', message, retryable: false, requestId: 'r-1' } },
    }));
    await customer.button('Background', lease).click();
    await customer.button('Background', lease).click();
    await panel.getByText(message).waitFor();
    await page.unroute(commands);
    await customer.button('Try again', panel).click();
    await panel.getByText('Exit code 137').waitFor();
  });
});
