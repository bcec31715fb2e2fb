// One payment signed once by the published version 2 client, to be sent as often, as
// late or as brokenly as a test likes.

import { x402Client, x402HTTPClient } from '@x402/core/client';
import { ExactEvmScheme } from '@x402/evm';
import { account } from '../chain/accounts.mjs';

/** A body that every test may lease. */
export const SMALL_LEASE = { sku: 'small', runtimeMinutes: 60, hostname: 'e2e', password: 'correct-horse-9' };

/** Asks for the price of a call and signs it; `send` sends exactly that, paid. */
export async function sign(baseUrl, payer, method, path, body) {
  const http = new x402HTTPClient(new x402Client().register('eip155:*', new ExactEvmScheme(account(payer))));
  const init = {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  };
  const challenge = await fetch(baseUrl + path, init);
  const challengeBody = await challenge.json();
  if (challenge.status !== 402) {
    throw new Error(`${method} ${path} answers ${challenge.status} instead of its price: ${JSON.stringify(challengeBody)}`);
  }
  const required = http.getPaymentRequiredResponse((name) => challenge.headers.get(name), challengeBody);
  const payload = await http.createPaymentPayload(required);
  const headers = { 'content-type': 'application/json', ...http.encodePaymentSignatureHeader(payload) };
  return {
    amount: BigInt(payload.accepted.amount),
    nonce: payload.payload.authorization.nonce,
    /** Sends it; `other` takes the payment to another method, path or body than it was signed for. */
    async send({ signal, other } = {}) {
      const url = baseUrl + (other?.path ?? path);
      const altered = other && { method: other.method, body: JSON.stringify(other.body) };
      const response = await fetch(url, { ...init, headers, signal, ...altered });
      const text = await response.text();
      return {
        status: response.status,
        body: text && JSON.parse(text),
        headers: response.headers,
        receipt: decoded(response.headers.get('payment-response')),
      };
    },
  };
}

/** Signs and sends at once. */
export async function pay(...call) {
  return (await sign(...call)).send();
}

function decoded(header) {
  return header && JSON.parse(Buffer.from(header, 'base64').toString());
}
