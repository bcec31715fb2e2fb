// Bundled into the page by `wallets.mjs`, which also puts the key in.

import { createE2EProvider } from '@wonderland/walletless';
import { baseSepolia, mainnet } from 'viem/chains';

const provider = createE2EProvider({ chains: [mainnet, baseSepolia], account: PRIVATE_KEY });
window.quickWallet = provider;

const info = {
  uuid: '6f7f9a7e-4a3b-4b51-9a34-0f8a4c5f2f10',
  name: 'Quick Wallet',
  icon: 'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"%3E%3Crect width="8" height="8" fill="%23246"/%3E%3C/svg%3E',
  rdns: 'example.quick-wallet',
};
const announce = () =>
  window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }));
window.addEventListener('eip6963:requestProvider', announce);
announce();
