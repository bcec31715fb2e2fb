// A real EVM on loopback that answers for Base Sepolia (chain id 84532), with USDC in
// place and the development accounts funded.

import { createTestClient, http, publicActions, walletActions } from 'viem';
import { baseSepolia } from 'viem/chains';
import { createRequire } from 'node:module';
import { freePort, healthy, start } from '../stack/process.mjs';
import { account, PAYERS, TREASURY } from './accounts.mjs';
import { mint, plantToken, TOKEN_ABI, USDC } from './token.mjs';

// The binary itself, not the package's launcher: a killed launcher leaves its chain running.
const CPU = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const ANVIL = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${process.platform}-${CPU}/bin/anvil`);

/** What every customer starts with, in atomic units: 100 USDC. */
export const START_BALANCE = 100_000_000n;

/** Starts the chain; the answer's `stop` ends it. */
export async function startChain() {
  const port = await freePort();
  const rpcUrl = `http://127.0.0.1:${port}`;
  const anvil = start('anvil', ANVIL, [
    '--chain-id', String(baseSepolia.id), '--host', '127.0.0.1', '--port', String(port), '--silent',
  ]);
  const client = createTestClient({
    account: account(TREASURY),
    chain: baseSepolia,
    mode: 'anvil',
    transport: http(rpcUrl),
    cacheTime: 0,
  }).extend(publicActions).extend(walletActions);
  await healthy(anvil, async () => (await client.getChainId()) === baseSepolia.id);
  await plantToken(client);
  for (const index of PAYERS) await mint(client, account(index).address, START_BALANCE);

  const read = (functionName, args) =>
    client.readContract({ address: USDC, abi: TOKEN_ABI, functionName, args });
  return {
    rpcUrl,
    client,
    balance: (address) => read('balanceOf', [address]),
    nonceUsed: (payer, nonce) => read('authorizationState', [payer, nonce]),
    /** Every transfer of the token to `to`, oldest first. */
    async transfersTo(to) {
      return client.getContractEvents({
        address: USDC, abi: TOKEN_ABI, eventName: 'Transfer', args: { to }, fromBlock: 0n, strict: true,
      });
    },
    stop: () => anvil.stop(),
  };
}
