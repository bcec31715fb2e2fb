// A remote x402 facilitator: the reference implementation (@x402/core and @x402/evm,
// protocol versions 1 and 2) behind the three routes that every facilitator has.
// Tests make it misbehave through POST /control.
//
// Environment: RPC_URL (the chain), PORT (of 127.0.0.1).

import { createServer } from 'node:http';
import { x402Facilitator } from '@x402/core/facilitator';
import { toFacilitatorEvmSigner } from '@x402/evm';
import { registerExactEvmScheme } from '@x402/evm/exact/facilitator';
import { createWalletClient, http, publicActions } from 'viem';
import { nonceManager } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { account, FACILITATOR } from '../chain/accounts.mjs';

// The nonce manager keeps concurrent settlements from taking each other's nonce.
const gasAccount = Object.assign(account(FACILITATOR), { nonceManager });
const wallet = createWalletClient({
  account: gasAccount,
  chain: baseSepolia,
  transport: http(process.env.RPC_URL),
  pollingInterval: 20,
}).extend(publicActions);

const facilitator = registerExactEvmScheme(new x402Facilitator(), {
  signer: toFacilitatorEvmSigner(Object.assign(wallet, { address: gasAccount.address })),
  networks: `eip155:${baseSepolia.id}`,
});

const orderly = { delayAfterSettleMs: 0, refuseSettle: null, refuseVerify: null, dieAfterSettle: false, hangUpOnSettle: false };
let control = { ...orderly };
const counts = { verify: 0, settle: 0, settled: 0 };

async function settle(paymentPayload, paymentRequirements) {
  counts.settle += 1;
  if (control.refuseSettle) {
    const network = paymentRequirements.network;
    return { success: false, errorReason: control.refuseSettle, transaction: '', network };
  }
  const receipt = await facilitator.settle(paymentPayload, paymentRequirements);
  if (receipt.success) counts.settled += 1;
  // A crash at the worst moment: the money has moved, and no response says so.
  if (control.dieAfterSettle) process.kill(process.pid, 'SIGKILL');
  if (control.delayAfterSettleMs) await new Promise((done) => setTimeout(done, control.delayAfterSettleMs));
  return receipt;
}

async function verify(paymentPayload, paymentRequirements) {
  counts.verify += 1;
  if (control.refuseVerify) return { isValid: false, invalidReason: control.refuseVerify };
  return facilitator.verify(paymentPayload, paymentRequirements);
}

async function answer(method, path, body) {
  if (method === 'GET' && path === '/supported') return facilitator.getSupported();
  if (method === 'POST' && path === '/verify') return verify(body.paymentPayload, body.paymentRequirements);
  if (method === 'POST' && path === '/settle') return settle(body.paymentPayload, body.paymentRequirements);
  if (method === 'GET' && path === '/control') return { ...counts, control };
  if (method === 'POST' && path === '/control') return (control = { ...orderly, ...body });
  return null;
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (control.hangUpOnSettle && request.url === '/settle') return void request.socket.destroy();
  let status = 200;
  let result;
  try {
    const text = Buffer.concat(chunks).toString();
    result = await answer(request.method, request.url, text ? JSON.parse(text) : undefined);
    if (result === null) [status, result] = [404, { error: 'no such route' }];
  } catch (error) {
    [status, result] = [500, { error: error.message }];
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(result, (_, value) => (typeof value === 'bigint' ? value.toString() : value)));
});

server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
