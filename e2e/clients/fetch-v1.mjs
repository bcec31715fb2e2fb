// Leases, lists and renews with the version 1 client x402-fetch, as its README shows
// it and with its default spend limit of $0.10. Environment: BASE_URL, PRIVATE_KEY.

import { createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { decodeXPaymentResponse, wrapFetchWithPayment } from 'x402-fetch';
import { tour } from './tour.mjs';

const wallet = createWalletClient({
  account: privateKeyToAccount(process.env.PRIVATE_KEY),
  chain: baseSepolia,
  transport: http('http://127.0.0.1:9'), // signing needs no chain; nothing listens there
});

await tour('x402-fetch 1', wrapFetchWithPayment(fetch, wallet), (headers) => {
  const receipt = headers.get('X-PAYMENT-RESPONSE');
  return receipt && decodeXPaymentResponse(receipt);
});
