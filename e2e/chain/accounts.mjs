// The development accounts of anvil and hardhat: their mnemonic is public, so they
// must never hold anything of value. Tests name them by index; their roles are fixed
// here so that no test pays itself by accident.

import { bytesToHex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';

const PUBLIC_MNEMONIC = 'test test test test test test test test test test test junk';

/** Sends the facilitator's transactions and pays their gas. */
export const FACILITATOR = 0;
/** Receives what leases cost. */
export const PAYEE = 1;
/** Deploys the token and mints it. */
export const TREASURY = 2;
/** The customers. */
export const PAYERS = [3, 4, 5, 6, 7, 8, 9];

/** The viem account of one public development key. */
export function account(index) {
  return mnemonicToAccount(PUBLIC_MNEMONIC, { addressIndex: index });
}

/** The private key of one public development account, 0x-prefixed. */
export function privateKey(index) {
  return bytesToHex(account(index).getHdKey().privateKey);
}
