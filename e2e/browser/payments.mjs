// The signed requests that leave the page, what the lease API knows of their payments, and what the page knows of money.

import { signIn } from '../clients/session.mjs';

const HEADERS = ['payment-signature', 'x-payment'];

/** Collects the payment header of every request that has one, in the order of sending. */
export function watchSignatures(page) {
  const sent = [];
  page.on('request', (request) => {
    const headers = request.headers();
    const value = HEADERS.map((name) => headers[name]).find(Boolean);
    if (value && request.method() !== 'OPTIONS') sent.push(value);
  });
  return sent;
}

/** The settled payments of a development account. */
export async function settled(site, account) {
  const payments = await (await signIn(site.api.url, account)).payments();
  return payments.filter(({ state }) => state === 'settled');
}

/** Loses the responses to the first `times` signed requests: the service performs them, and the page gets no response. */
export async function loseAnswers(page, site, times) {
  let left = times;
  await page.route(`${site.api.url}/**`, async (route) => {
    const headers = route.request().headers();
    if (!HEADERS.some((name) => headers[name]) || left === 0) return route.fallback();
    left -= 1;
    await route.fetch();
    await route.abort('connectionreset');
  });
}

/** The page cannot read a balance, as on a chain without a node. */
export const hideBalances = (page) =>
  page.route('**/demo/balance?*', (route) =>
    route.fulfill({ status: 404, body: '{}', headers: { 'access-control-allow-origin': '*' } }));

/** Prepares a page whose customer pays up to `limit`, in the token's smallest unit, without being asked. */
export const payWithoutAsking = (limit) => (page) =>
  page.addInitScript((limit) => localStorage.setItem('infra402.budget', JSON.stringify({ autoBelow: limit })), limit);
