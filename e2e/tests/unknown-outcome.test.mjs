// A payment whose outcome was once unknown: it is kept until a response states its outcome for sure, and the customer is never
// led to pay for the same again.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { until } from '../stack/process.mjs';
import { settled, watchSignatures } from '../browser/payments.mjs';
import { inSight } from '../browser/sight.mjs';
import { inBrowser } from '../browser/suite.mjs';

const CORS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'payment-response, payment-required' };
const OPEN_BEFORE = /status of (202|409|503)|ERR_CONNECTION_RESET|ERR_FAILED/;

inBrowser('a payment whose outcome is unknown', (stage) => {
  let site;
  before(() => ({ site } = stage));
  const visitWithMoney = (account, options) => stage.visitWithMoney(account, { expected: [OPEN_BEFORE], ...options });
  const isSigned = (request) => Boolean(request.headers()['payment-signature'] ?? request.headers()['x-payment']);
  const kept = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('infra402.payments') ?? '{}'));
  /** The 402 of a service that does not know the payment. */
  const asksAgain = (error = 'payment_expired') => ({ status: 402, headers: CORS, json: { x402Version: 1, error, accepts: [] } });
  const refusal = (status, code, details) => ({
    status, headers: CORS,
    json: { error: { code, message: `Said: ${code}.`, retryable: false, requestId: 'r-1', ...(details && { details }) } },
  });
  /** Answers the signed requests for a lease with these responses, one after the other, and then with the last one. The service
   *  receives the first request unless `unheard`. */
  const answerWith = async (page, answers, { unheard = false } = {}) => {
    let number = 0;
    await page.route(`${site.api.url}/lease/container`, async (route) => {
      if (!isSigned(route.request())) return route.fallback();
      if (number === 0 && !unheard) await route.fetch();
      const answer = answers[Math.min(number, answers.length - 1)];
      number += 1;
      return answer === null ? route.abort('connectionreset') : route.fulfill(answer);
    });
  };
  const stopAnswering = (page) => page.unroute(`${site.api.url}/lease/container`);

  test('the key of a request is random, kept before it is sent, and nowhere in the payment', async () => {
    const customer = await visitWithMoney(70);
    const { page } = customer;
    const seen = [];
    await page.route(`${site.api.url}/lease/container`, async (route) => {
      const request = route.request();
      if (isSigned(request)) {
        const records = Object.entries(await kept(page));
        seen.push({ headers: request.headers(), records });
      }
      return route.fallback();
    });
    for (const turn of [1, 2]) {
      await customer.leaseContainer();
      assert.equal(seen.length, turn);
    }
    const keys = seen.map(({ headers, records }) => {
      const key = headers['idempotency-key'];
      assert.match(key, /^[0-9a-f]{32}$/);
      assert.equal(records.length, 1);
      const [nonce, record] = records[0];
      assert.equal(record.signed.Direct.idempotency_key, key, 'a reload sends the same');
      assert.ok(!nonce.includes(key) && !key.includes(nonce.slice(2, 18)), 'not of the nonce');
      const payment = Buffer.from(headers['payment-signature'], 'base64').toString();
      assert.ok(!payment.includes(key), 'the facilitator does not learn it');
      return key;
    });
    assert.notEqual(keys[0], keys[1]);
  });

  const opened = [
    ['no answer', null],
    ['202', { status: 202, headers: CORS, json: { status: 'reconciling', message: 'Not known yet.' } }],
    ['503', refusal(503, 'payment_unresolved')],
    ['409, at work on it', refusal(409, 'payment_in_progress')],
  ];
  for (const [number, [words, answer]] of opened.entries()) {
    test(`after ${words} a bare 402 does not end it, and looking again has what was paid for`, async () => {
      const customer = await visitWithMoney(71 + number);
      const { page } = customer;
      const sent = watchSignatures(page);
      await answerWith(page, [answer, asksAgain()]);
      const slip = await customer.askForLease();
      await customer.payButton(slip).click();
      await customer.says(slip, 'The money may have moved: do not pay for the same again.');
      assert.equal(await customer.payButton(slip).count(), 0);
      assert.equal(await customer.button('Try again', slip).count(), 0);
      assert.equal(Object.keys(await kept(page)).length, 1, 'the signed request is kept');
      if (number === 0) await customer.picture('unknown');
      await stopAnswering(page);
      await customer.button('Look again', slip).click();
      const { password } = await customer.delivered();
      assert.match(password, /^\S{8,}$/);
      assert.equal(new Set(sent).size, 1, 'one signature');
      assert.equal((await settled(site, 71 + number)).length, 1);
      assert.deepEqual(await kept(page), {});
      await customer.close();
    });
  }

  test('it blocks no other payment, is found again on the page and after a reload, and a first refusal still ends a payment', async () => {
    const customer = await visitWithMoney(76);
    const { page } = customer;
    await answerWith(page, [null, asksAgain()]);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'do not pay for the same again');
    await page.keyboard.press('Escape');
    await customer.button('A payment needs a look').waitFor();
    await stopAnswering(page);

    await answerWith(page, [asksAgain('insufficient_funds')], { unheard: true });
    const other = await customer.askForLease();
    await customer.payButton(other).click();
    await customer.says(other, 'Your balance is too low for this payment. Nothing was charged.');
    assert.equal(Object.keys(await kept(page)).length, 1, 'only the unknown one is kept');
    await page.keyboard.press('Escape');
    await customer.button('A payment needs a look').waitFor();

    await page.reload();
    const again = page.locator('dialog.sheet .slip');
    await customer.says(again, 'do not pay for the same again');
    assert.equal(Object.keys(await kept(page)).length, 1, 'a reload has sent it once more, and kept it');
    await stopAnswering(page);
    await customer.button('Look again', again).click();
    await customer.delivered();
    assert.equal((await settled(site, 76)).length, 1);
    await customer.close();
  });

  test('once its signature has run out it can be taken off the page, by the customer only', async () => {
    const customer = await visitWithMoney(77);
    const { page } = customer;
    await answerWith(page, [null, asksAgain()]);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'do not pay for the same again');
    assert.equal(await customer.button('Take it off this page', slip).count(), 0);
    // The signature's window ended an hour ago.
    await page.evaluate(() => {
      const records = JSON.parse(localStorage.getItem('infra402.payments'));
      for (const record of Object.values(records)) record.valid_before -= 4000;
      localStorage.setItem('infra402.payments', JSON.stringify(records));
    });
    await page.reload();
    const again = page.locator('dialog.sheet .slip');
    await customer.says(again, 'cannot be charged any more');
    await customer.picture('unknown-expired');
    assert.equal(Object.keys(await kept(page)).length, 1);
    await customer.button('Take it off this page', again).click();
    await page.locator('dialog.sheet').waitFor({ state: 'hidden' });
    assert.deepEqual(await kept(page), {});
    assert.equal(await page.locator('.running').count(), 0);
  });

  test('records that earlier versions of the page stored are sent as well', async () => {
    const customer = await visitWithMoney(78);
    const { page } = customer;
    await answerWith(page, [null, asksAgain()]);
    await customer.payButton(await customer.askForLease()).click();
    await customer.says(page.locator('dialog.sheet .slip'), 'do not pay for the same again');
    await page.evaluate(() => {
      const records = JSON.parse(localStorage.getItem('infra402.payments'));
      for (const record of Object.values(records)) {
        delete record.was_open;
        delete record.signed.Direct.idempotency_key;
      }
      localStorage.setItem('infra402.payments', JSON.stringify(records));
    });
    await page.reload();
    const slip = page.locator('dialog.sheet .slip');
    await customer.says(slip, 'do not pay for the same again');
    assert.equal(Object.keys(await kept(page)).length, 1, 'a bare 402 does not end it either');
    await stopAnswering(page);
    const asked = page.waitForRequest((request) => request.url().endsWith('/lease/container') && isSigned(request));
    await customer.button('Look again', slip).click();
    assert.equal((await asked).headers()['idempotency-key'], undefined);
    // Without a key the service says only that the lease was made, without its password.
    await customer.says(slip, 'Paid');
    assert.equal((await settled(site, 78)).length, 1);
    await customer.close();
  });

  test('its outcome is read from the list of payments of a customer who is signed in', async () => {
    const customer = await visitWithMoney(79);
    const { page } = customer;
    await customer.signIn();
    await answerWith(page, [null, asksAgain()]);
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, 'Paid');
    await slip.getByText('Transaction').waitFor();
    assert.deepEqual(await kept(page), {});
    await customer.close();
    await stopAnswering(page);

    // The same where the list has it as refused.
    await page.route(`${site.api.url}/payments`, async (route) => {
      const nonces = Object.keys(await kept(page));
      const response = await route.fetch();
      const { payments } = await response.json();
      const refused = nonces.map((nonce) => ({ ...payments[0], nonce, state: 'refused', paymentId: 'p-x' }));
      return route.fulfill({ response, json: { payments: [...refused, ...payments] } });
    });
    await answerWith(page, [null, asksAgain()], { unheard: true });
    const second = await customer.askForLease();
    await customer.payButton(second).click();
    await customer.says(second, 'The payment was refused. Nothing was charged.');
    assert.deepEqual(await kept(page), {});
  });

  test('a debt is shown, and never paid again', async () => {
    const customer = await visitWithMoney(80);
    const { page } = customer;
    const owed = refusal(409, 'payment_owed', { paymentId: 'p-4711', amount: '10000', reason: 'host_lost' });
    owed.json.error.message = 'What was paid is owed to you.';
    await answerWith(page, [null, owed], { unheard: true });
    const slip = await customer.askForLease();
    await customer.payButton(slip).click();
    await customer.says(slip, '0.0100 USDC is owed to you.');
    await customer.says(slip, 'Do not pay for it again.');
    await slip.getByText('p-4711').waitFor();
    const reason = slip.getByText('host lost');
    await reason.waitFor();
    await customer.picture('owed');
    assert.ok(await inSight(reason), 'without scrolling');
    assert.deepEqual(await kept(page), {});
    assert.equal(await customer.button('Try again', slip).count(), 0);
    assert.match(await page.locator('.budget-chip').innerText(), /0\.0100/, 'it counts as spent');
    await customer.close();
  });

  test('the receipts say in plain words what is owed, looked into, or of a later version', async () => {
    const customer = await visitWithMoney(81);
    const { page } = customer;
    await customer.leaseContainer();
    await page.route(`${site.api.url}/payments`, async (route) => {
      const response = await route.fetch();
      const { payments } = await response.json();
      const states = ['owed', 'unresolved', 'a_later_state'];
      const more = states.map((state, number) => ({ ...payments[0], state, paymentId: `p-${number}`, nonce: `0x0${number}` }));
      return route.fulfill({ response, json: { payments: [...more, ...payments] } });
    });
    await customer.signIn();
    await customer.go('Receipts');
    const row = (words) => page.locator('.receipts tbody tr', { hasText: words });
    await row('Owed to you').getByText('do not pay for it again').waitFor();
    await row('Being looked into').getByText('The seller looks into it').waitFor();
    await row('Other: a later state').getByText('does not know this state').waitFor();
    await row('Settled').waitFor();
    assert.match(await page.locator('.receipts-head').innerText(), /Owed to you 0\.0100 USDC/);
    await customer.picture('receipts-owed');
    await page.setViewportSize({ width: 390, height: 844 });
    await customer.picture('receipts-owed-phone');
  });

  test('in a conversation nothing else is offered in its place', async () => {
    const customer = await visitWithMoney(82, { expected: [OPEN_BEFORE, /status of 402/] });
    const { page } = customer;
    const sent = [];
    let offer;
    await page.route(`${site.agent.url}/chat`, async (route) => {
      const body = route.request().postDataJSON();
      if (!body.payment_headers) {
        const response = await route.fetch();
        offer ??= await response.text();
        return route.fulfill({ response });
      }
      sent.push(Object.values(body.payment_headers)[0]);
      if (sent.length === 1) {
        await route.fetch();
        return route.abort('connectionreset');
      }
      // The agent passes a 402 on and would ask for another payment of the same call.
      if (sent.length === 2) {
        return route.fulfill({ status: 200, headers: { ...CORS, 'content-type': 'text/event-stream' }, body: offer });
      }
      return route.fallback();
    });
    await customer.ask('Lease 1 core, 512 MB for 30 minutes');
    const slip = await customer.slip(page.locator('.answer'));
    await customer.payButton(slip).click();
    await customer.says(slip, 'do not pay for the same again');
    await customer.picture('unknown-chat');
    assert.equal(await page.locator('.slip').count(), 1);
    assert.equal(await page.getByRole('button', { name: /^Pay / }).count(), 0);
    assert.equal(await customer.button('Try again').count(), 0);
    assert.equal(Object.keys(await kept(page)).length, 1);
    await customer.button('Look again', slip).click();
    await until('the payment to be known', async () => Object.keys(await kept(page)).length === 0, { timeoutMs: 30_000 });
    assert.equal(new Set(sent).size, 1, 'one signature');
    assert.equal((await settled(site, 82)).length, 1);
  });
});
