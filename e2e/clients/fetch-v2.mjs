// Leases, lists and renews with the version 2 client @x402/fetch, as its README shows
// it and with its default spend limit. Environment: BASE_URL, PRIVATE_KEY.

import { ExactEvmScheme } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { privateKeyToAccount } from 'viem/accounts';
import { tour } from './tour.mjs';

const pay = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: 'eip155:*', client: new ExactEvmScheme(privateKeyToAccount(process.env.PRIVATE_KEY)) }],
});

await tour('@x402/fetch 2', pay, (headers) => {
  const receipt = headers.get('PAYMENT-RESPONSE');
  return receipt && decodePaymentResponseHeader(receipt);
});
