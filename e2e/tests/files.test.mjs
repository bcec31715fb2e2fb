// The files of a container on its card: uploaded, listed, downloaded, renamed and deleted, by mouse and by keyboard; and the way
// into a container that has no SSH server.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { violations } from '../browser/accessibility.mjs';
import { PHONE } from '../browser/customer.mjs';
import { inBrowser } from '../browser/suite.mjs';
import { signIn } from '../clients/session.mjs';
import { until } from '../stack/process.mjs';

/** The service says so of a name that is still free. */
const FREE = /status of 404/;

inBrowser('the files of a container', (stage) => {
  let site;
  before(() => ({ site } = stage));

  /** A customer with the files of a new container open. */
  async function openFiles(account, options) {
    const visit = await stage.visitWithContainer(account, { expected: [FREE], ...options });
    const { customer, lease } = visit;
    await customer.button('Files', lease).click();
    const panel = lease.getByRole('region', { name: 'Files' });
    await panel.locator('[role=status]', { hasText: /entries|entry|empty/ }).waitFor();
    return { ...visit, panel, row: (name) => panel.getByRole('listitem').filter({ hasText: name }) };
  }

  const choose = (panel, ...files) =>
    panel.locator('input[type=file]').setInputFiles(files.map(([name, buffer]) => ({ name, mimeType: 'application/octet-stream', buffer })));

  async function saved(page, act) {
    const [download] = await Promise.all([page.waitForEvent('download'), act()]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }

  test('come back byte by byte, and are made, renamed, replaced and deleted', async () => {
    const { customer, page, lease, panel, row } = await openFiles(120);
    assert.equal(await lease.locator('.access').count(), 0, 'nothing is said of a way that works');
    const name = 'Zürich & 100 %.bin';
    const content = randomBytes(3 << 20);
    await choose(panel, [name, content]);
    await panel.getByText(`${name} is uploaded (3 MiB).`).waitFor();
    await row(name).getByText('3 MiB').waitFor();
    const first = await saved(page, () => customer.button(`Download ${name}`, panel).click());
    assert.equal(first.name, name);
    assert.ok(first.bytes.equals(content), `${first.bytes.length} bytes`);

    await customer.button('New folder', panel).click();
    const dialog = page.getByRole('dialog', { name: 'New folder' });
    await dialog.getByLabel('Name').fill('a/b');
    await customer.button('Create', dialog).click();
    await dialog.getByText('no slash').waitFor();
    await dialog.getByLabel('Name').fill('inner');
    await customer.button('Create', dialog).click();
    await customer.left(dialog);
    await customer.button('inner', panel).click();
    await panel.getByText('This directory is empty.').waitFor();
    await until('the focus to be on the directory', () => page.evaluate(() => document.activeElement.textContent === 'inner'));
    await customer.button('root', panel).click();
    await row('inner').waitFor();

    await customer.button(`Rename ${name}`, panel).click();
    const rename = page.getByRole('dialog', { name: /^Rename/ });
    assert.equal(await rename.getByLabel('Name').inputValue(), name);
    await rename.getByLabel('Name').fill('inner');
    await customer.button('Rename', rename).click();
    await rename.getByText('inner is here already').waitFor();
    await rename.getByLabel('Name').fill('data.bin');
    await page.keyboard.press('Enter');
    await customer.left(rename);
    await row('data.bin').waitFor();
    assert.equal(await row(name).count(), 0);
    await customer.picture('files');
    assert.deepEqual(await violations(page), []);

    // An upload replaces a file only once that was answered.
    await choose(panel, ['data.bin', Buffer.from('new')], ['other.txt', Buffer.from('other')]);
    const replace = page.getByRole('dialog', { name: 'Replace files?' });
    await replace.getByText('Already here: data.bin.').waitFor();
    await customer.button('Skip these', replace).click();
    await panel.getByText('other.txt is uploaded (5 B).').waitFor();
    await row('data.bin').getByText('3 MiB').waitFor();
    await choose(panel, ['data.bin', Buffer.from('new')]);
    await customer.button('Replace', replace).click();
    await panel.getByText('data.bin is uploaded (3 B).').waitFor();
    const second = await saved(page, () => customer.button('Download data.bin', panel).click());
    assert.equal(second.bytes.toString(), 'new');

    await customer.button('Delete data.bin', panel).click();
    const remove = page.getByRole('dialog', { name: /^Delete/ });
    await customer.button('Cancel', remove).click();
    await customer.left(remove);
    await customer.button('Delete data.bin', panel).click();
    await customer.button('Delete it', remove).click();
    await panel.getByText('data.bin is deleted.').waitFor();
    await row('data.bin').waitFor({ state: 'detached' });
    await customer.button('Delete inner', panel).click();
    await remove.getByText('everything in it').waitFor();
    await customer.picture('files-delete');
    await customer.button('Delete all of it', remove).click();
    await row('inner').waitFor({ state: 'detached' });

    await customer.button('/', panel).click();
    await customer.button('etc', panel).waitFor();
    await page.setViewportSize(PHONE);
    await panel.scrollIntoViewIfNeeded();
    await customer.picture('files-phone');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(wide, 0, 'nothing is wider than a phone');
  });

  test('are dropped into the panel, shown in part where there are many, and say why they cannot be listed', async () => {
    const { customer, page, panel } = await openFiles(121, { expected: [FREE, /status of 409/] });
    const drag = await page.evaluateHandle(() => {
      const data = new DataTransfer();
      data.items.add(new File(['dropped'], 'drop.txt'));
      return data;
    });
    await panel.dispatchEvent('drop', { dataTransfer: drag });
    await panel.getByText('drop.txt is uploaded (7 B).').waitFor();

    const files = `${site.api.url}/lease/*/files?**`;
    const entries = Array.from({ length: 10_000 }, (_, number) => ({
      name: `f${number}`, kind: 'file', size: number === 0 ? 2 ** 40 : number, mode: '644', modifiedAt: '2026-01-31T12:00:00Z',
    }));
    await page.route(files, (route) => route.fulfill({
      json: { path: '/root', entries, truncated: true }, headers: { 'access-control-allow-origin': '*' },
    }));
    await customer.button('Refresh', panel).click();
    await panel.getByText('Only the first 10000 entries are listed.').waitFor();
    const rows = panel.locator('.files-list li');
    assert.equal(await rows.count(), 200);
    await customer.button('Show 200 more', panel).click();
    assert.equal(await rows.count(), 400);
    // A file that is too large for the page is not requested.
    await customer.button('Download f0', panel).click();
    const command = await panel.locator('.files-command').innerText();
    assert.match(command, /^curl -f -H "Authorization: Bearer \$TOKEN" -o '\.\/f0' 'http:\/\/127\.0\.0\.1:\d+\/lease\/[^/]+\/files\?path=\/root\/f0'$/);
    await panel.locator('.files-command').scrollIntoViewIfNeeded();
    await customer.picture('files-large');

    const message = 'This needs SSH into the container. No SSH server answers in the container.';
    await page.route(files, (route) => route.fulfill({
      status: 409, headers: { 'access-control-allow-origin': '*' },
      json: { error: { code: 'ssh_unavailable', message, retryable: false, requestId: 'r-1' } },
    }));
    await customer.button('/', panel).click();
    await panel.getByText(message).waitFor();
    await page.unroute(files);
    await customer.button('Try again', panel).click();
    await customer.button('etc', panel).waitFor();
  });

  test('an upload that is stopped leaves no file, and one into a directory that is gone says so', async () => {
    const { customer, page, lease, panel, row } = await openFiles(122, { expected: [FREE, /ERR_/] });
    const network = await page.context().newCDPSession(page);
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1 << 20 };
    await network.send('Network.emulateNetworkConditions', slow);
    await choose(panel, ['big.bin', randomBytes(20 << 20)]);
    const progress = panel.getByRole('progressbar', { name: 'Progress' });
    await until('a part to be sent', async () => Number(await progress.getAttribute('value')) > 0);
    assert.ok(await customer.button('Upload files', panel).isDisabled());
    await customer.picture('files-upload');
    await customer.button('Stop', panel).click();
    await panel.getByText('big.bin was not uploaded. You stopped it.').waitFor();
    await network.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 });
    await choose(panel, ['small.bin', Buffer.from('x')]);
    await row('small.bin').waitFor();
    assert.equal(await row('big.bin').count(), 0);

    // Another tab removes the directory that this one shows.
    await customer.button('New folder', panel).click();
    const dialog = page.getByRole('dialog', { name: 'New folder' });
    await dialog.getByLabel('Name').fill('brief');
    await page.keyboard.press('Enter');
    await customer.button('brief', panel).click();
    await panel.getByText('This directory is empty.').waitFor();
    const { token, leases } = await signIn(site.api.url, 122);
    const [{ leaseId }] = await leases();
    const path = `${site.api.url}/lease/${leaseId}/files?path=/root/brief&recursive=true`;
    const removed = await fetch(path, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
    assert.equal(removed.status, 204);
    await choose(panel, ['big.bin', randomBytes(20 << 20)]);
    await panel.getByText('big.bin was not uploaded. The container has no file at this path.').waitFor();

    // The panel is closed in the middle: the upload ends, and the page goes on.
    await customer.button('root', panel).click();
    await row('small.bin').waitFor();
    await network.send('Network.emulateNetworkConditions', slow);
    await choose(panel, ['big.bin', randomBytes(20 << 20)]);
    await until('a part to be sent', async () => Number(await progress.getAttribute('value')) > 0);
    const ended = page.waitForEvent('requestfailed', (request) => request.method() === 'PUT');
    await customer.button('Files', lease).click();
    await ended;
    await customer.button('Files', lease).click();
    await row('small.bin').waitFor();
    assert.equal(await row('big.bin').count(), 0);
  });

  test('a container without an SSH server says so on its card, and offers to set it up', async () => {
    const customer = await stage.visitWithMoney(123, { expected: [/status of 409/] });
    const { page } = customer;
    await customer.go('Leases');
    const form = page.locator('.lease-form');
    await form.getByText('Name and system').click();
    const alpine = await form.locator('select option', { hasText: /alpine/i }).first().getAttribute('value');
    await form.getByLabel('System').selectOption(alpine);
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const lease = customer.lease(ctid);
    const access = lease.locator('.access');
    await access.getByText('Commands run over the terminal, and files need SSH: The container has shown no SSH host key.').waitFor();
    await access.scrollIntoViewIfNeeded();
    await customer.picture('access');
    assert.deepEqual(await violations(page), []);
    await customer.button('Files', lease).click();
    await lease.getByText('This needs SSH into the container. The container has shown no SSH host key.').waitFor();
    await page.setViewportSize(PHONE);
    await access.scrollIntoViewIfNeeded();
    await customer.picture('access-phone');
    await page.route(`${site.api.url}/lease/*/access`, (route) => route.fulfill({
      status: 202, headers: { 'access-control-allow-origin': '*' }, json: { via: 'terminal', reason: 'No host key.', canSetUp: true },
    }));
    await customer.button('Set up SSH', access).click();
    await access.getByText('The container still installs its SSH server.').waitFor();
    assert.equal(await customer.button('Setting up SSH…', access).getAttribute('aria-disabled'), 'true');
  });
});
