// Leases a container, shows what the wallet has leased, and runs a command inside.
//
//   npm install && npm start
//
// BASE_URL is the lease API, PAYER_KEY the private key that pays.

import { ExactEvmScheme } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { privateKeyToAccount } from 'viem/accounts';

// A PUBLIC DEVELOPMENT KEY (account 4 of `test test … junk`), for play money only. Never send it anything of value.
const PUBLIC_DEVELOPMENT_KEY = '0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a';

const base = process.env.BASE_URL ?? 'http://127.0.0.1:4021';
const account = privateKeyToAccount((process.env.PAYER_KEY ?? PUBLIC_DEVELOPMENT_KEY) as `0x${string}`);

// A `fetch` that answers a 402 with a signed payment. A call that costs more than $0.10 is not paid.
const pay = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: 'eip155:*', client: new ExactEvmScheme(account) }],
});

async function call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const response = await pay(base + path, {
    method,
    // With this key the same signed request may be sent again, should its answer get lost.
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${text}`);
  const receipt = response.headers.get('PAYMENT-RESPONSE');
  if (receipt) console.error(`paid, transaction ${decodePaymentResponseHeader(receipt).transaction}`);
  return JSON.parse(text) as Answer;
}

// Play money, where payments are simulated; elsewhere this route does not exist.
await fetch(`${base}/demo/faucet`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ address: account.address }),
});

type Lease = { ctid: number; hostname: string; status: string; expiresAt: string; password?: string };
const lease = await call<Lease>('POST', '/lease/container', {
  sku: 'small', runtimeMinutes: 30, hostname: 'from-typescript',
});
console.log(`leased ${lease.hostname}: container ${lease.ctid}, until ${lease.expiresAt}`);
// lease.password is root's, and is shown this once.

const { leases } = await call<{ leases: Lease[] }>('GET', '/management/list');
for (const { ctid, hostname, status } of leases) console.log(`${ctid}  ${hostname}  ${status}`);

const ran = await call<{ stdout: string; exitCode: number }>('POST', `/management/exec/${lease.ctid}`, {
  command: 'echo hello from $(hostname)',
});
console.log(`exit code ${ran.exitCode}: ${ran.stdout.trim()}`);
