// The signed requests that leave the page, and what the lease API knows of their payments.

import { signIn } from '../clients/session.mjs';

const HEADERS = ['payment-signature', 'x-payment'];

/** Notes the payment header of every request that carries one, in the order of sending. */
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

/** The answers to the first `times` signed requests are lost on their way back: the service did its work, the page hears nothing. */
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
