// Wallets that other people wrote, put into a page. Both announce themselves (EIP-6963) and really sign, with public development
// keys. `strict` runs in this process, wants the typed data as MetaMask does, and loses the code of a rejection; `quick` runs in
// the page, starts on another chain and keeps the code.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import headless from 'headless-web3-provider';
import { privateKey } from '../chain/accounts.mjs';

const NOWHERE = 'http://127.0.0.1:9';
const BASE_SEPOLIA = 84532;

/** The strict wallet, holding the development accounts of these numbers; it asks the test about each signature. */
export async function strict(page, [...accounts]) {
  const keys = accounts.map(privateKey);
  const permitted = ['eth_requestAccounts', 'eth_accounts', 'wallet_switchEthereumChain', 'wallet_addEthereumChain'];
  const wallet = await headless.injectHeadlessWeb3Provider(page, keys, BASE_SEPOLIA, NOWHERE, { permitted });
  return {
    name: 'Headless Web3 Provider',
    waiting: () => wallet.getPendingRequestCount('eth_signTypedData_v4'),
    approve: () => wallet.authorize('eth_signTypedData_v4'),
    decline: () => wallet.reject('eth_signTypedData_v4'),
    become: (account) => wallet.changeAccounts([privateKey(account)]),
  };
}

/** The quick wallet, with one development account, on Ethereum's main network at first; it signs at once unless told otherwise. */
export async function quick(page, account) {
  const entry = fileURLToPath(new URL('quick-wallet.mjs', import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', logLevel: 'error',
    define: { PRIVATE_KEY: JSON.stringify(privateKey(account)) },
  });
  await page.addInitScript({ content: outputFiles[0].text });
  const control = (name, value) => page.evaluate(([name, value]) => window.quickWallet[name](value), [name, value]);
  return {
    name: 'Quick Wallet',
    decline: (declines = true) => control('setRejectSignature', declines),
    become: (other) => control('setSigningAccount', privateKey(other)),
  };
}
