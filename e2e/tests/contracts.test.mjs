// Wallets that are contracts pay as any other, with and without a node of the chain: without one their signature cannot be
// proven, so that they see less of what they bought.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { concat, encodeAbiParameters, encodeFunctionData, getAddress, parseAbi, toHex } from 'viem';
import { account, FACILITATOR, PAYEE, privateKey, TREASURY } from '../chain/accounts.mjs';
import { startChain } from '../chain/chain.mjs';
import { mint, USDC } from '../chain/token.mjs';
import { startFacilitator } from '../facilitator/facilitator.mjs';
import { startApi, startSimulator } from '../stack/services.mjs';

const OWNER = 7;
const DELEGATED = 8;
/** Coinbase's factory of smart wallets, the only kind that is deployed on behalf of a payer. */
const COINBASE_FACTORY = getAddress('0xba5ed110efdba3d005bfc882d75358acbbb85842');
const MAGIC_6492 = `0x${'6492'.repeat(16)}`;
const FACTORY = parseAbi([
  'function deploy(address key) returns (address)',
  'function at(address key) view returns (address)',
]);
const code = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../crates/x402/tests/it/contracts/wallets.json', import.meta.url)), 'utf8'),
);

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64');
const decoded = (header) => JSON.parse(Buffer.from(header, 'base64').toString());

/** Asks for a price and signs it for `from` with the key of `signer`; `wrap` makes the wallet's signature of it. */
async function signedFor(url, from, signer, wrap = (signature) => signature) {
  const challenge = await fetch(url);
  const required = decoded(challenge.headers.get('payment-required'));
  const [accepted] = required.accepts;
  const now = Math.floor(Date.now() / 1000);
  const authorization = {
    from,
    to: accepted.payTo,
    value: accepted.amount,
    validAfter: String(now - 600),
    validBefore: String(now + accepted.maxTimeoutSeconds),
    nonce: toHex(randomBytes(32)),
  };
  const field = (name, type) => ({ name, type });
  const signature = await signer.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: 84532, verifyingContract: USDC },
    types: {
      TransferWithAuthorization: [
        field('from', 'address'), field('to', 'address'), field('value', 'uint256'),
        field('validAfter', 'uint256'), field('validBefore', 'uint256'), field('nonce', 'bytes32'),
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message: authorization,
  });
  const key = randomBytes(16).toString('hex');
  /** Sends the payment, with another key or signature if given. */
  return async (changes = {}) => {
    const payload = { signature: changes.signature ?? wrap(signature), authorization };
    const headers = {
      'payment-signature': encoded({ x402Version: 2, resource: required.resource, accepted, payload }),
      ...((changes.key ?? key) && { 'idempotency-key': changes.key ?? key }),
    };
    const response = await fetch(url, { headers });
    return { status: response.status, body: await response.json() };
  };
}

describe('a wallet that is a contract', { timeout: 240_000 }, () => {
  const owner = account(OWNER);
  const delegated = account(DELEGATED);
  let chain;
  let wallet;
  let facilitator;
  let simulator;
  const services = {};

  before(async () => {
    chain = await startChain();
    const deploy = async (key) => {
      const creation = concat([code.KeyWallet.creation, encodeAbiParameters([{ type: 'address' }], [key])]);
      const hash = await chain.client.sendTransaction({ account: account(TREASURY), data: creation });
      return (await chain.client.waitForTransactionReceipt({ hash, pollingInterval: 5 })).contractAddress;
    };
    wallet = getAddress(await deploy(owner.address));
    await mint(chain.client, wallet, 10_000_000n);
    // The code of an ordinary account that has delegated itself by EIP-7702.
    const delegate = await deploy(delegated.address);
    await chain.client.setCode({ address: delegated.address, bytecode: concat(['0xef0100', delegate]) });
    await chain.client.setCode({ address: COINBASE_FACTORY, bytecode: code.Factory.runtime });
    facilitator = await startFacilitator(chain.rpcUrl);
    simulator = await startSimulator();
    const node = { RPC_URL: chain.rpcUrl };
    const settings = {
      'a gas key of our own': ['onchain', { ...node, GAS_KEY: privateKey(FACILITATOR), MIN_DEPLOY_PRICE: '1000' }],
      'a facilitator and a node': [facilitator.url, node],
      'a facilitator and no node': [facilitator.url, {}],
    };
    for (const [name, [settles, env]] of Object.entries(settings)) {
      services[name] = await startApi({ simulator, facilitator: settles, env });
    }
  });
  after(async () => {
    for (const service of Object.values(services)) await service.stop();
    await simulator?.stop();
    await facilitator?.stop();
    await chain?.stop();
  });

  for (const [name, hasNode] of [
    ['a gas key of our own', true],
    ['a facilitator and a node', true],
    ['a facilitator and no node', false],
  ]) {
    for (const [kind, from, signer] of [
      ['deployed', () => wallet, owner],
      ['delegated by EIP-7702', () => delegated.address, delegated],
    ]) {
      test(`that is ${kind} pays with ${name}, once, and has its answer again by its key`, async () => {
        const before = await chain.balance(from());
        const send = await signedFor(`${services[name].url}/management/list`, from(), signer);
        const first = await send();
        assert.equal(first.status, 200, JSON.stringify(first.body));
        assert.deepEqual(await send(), first);
        const stranger = await send({ key: '' });
        assert.equal(stranger.body.error?.code, 'payment_replayed', JSON.stringify(stranger.body));
        assert.equal(await chain.balance(from()), before - 1000n);
      });
    }

    test(`is no other wallet with ${name}, though the key is known`, async () => {
      const send = await signedFor(`${services[name].url}/management/list`, wallet, owner);
      const first = await send();
      assert.equal(first.status, 200, JSON.stringify(first.body));
      const forged = await send({ signature: `0x${'5a'.repeat(65)}` });
      // A node proves that the signature is false; without a node only public data is shown.
      assert.equal(forged.status, hasNode ? 402 : 409, JSON.stringify(forged.body));
      assert.equal(forged.body.leases, undefined);
    });

    test(`signed by another wallet it pays nothing with ${name}`, async () => {
      const before = await chain.balance(wallet);
      const send = await signedFor(`${services[name].url}/management/list`, wallet, account(9));
      const refused = await send();
      assert.equal(refused.status, 402, JSON.stringify(refused.body));
      assert.equal(await chain.balance(wallet), before);
    });
  }

  test('that is not deployed yet is deployed by the factory that is known, and by no other', async () => {
    const { url } = services['a gas key of our own'];
    for (const [factory, status] of [
      ['0x00000000000000000000000000000000000fac70', 402],
      [COINBASE_FACTORY, 200],
    ]) {
      await chain.client.setCode({ address: factory, bytecode: code.Factory.runtime });
      const key = account(6).address;
      const from = await chain.client.readContract({ address: factory, abi: FACTORY, functionName: 'at', args: [key] });
      await mint(chain.client, from, 1_000_000n);
      const call = encodeFunctionData({ abi: FACTORY, functionName: 'deploy', args: [key] });
      const wrap = (signature) => concat([
        encodeAbiParameters([{ type: 'address' }, { type: 'bytes' }, { type: 'bytes' }], [factory, call, signature]),
        MAGIC_6492,
      ]);
      const send = await signedFor(`${url}/management/list`, from, account(6), wrap);
      const answer = await send();
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      if (status === 200) assert.deepEqual(await send(), answer, 'wrapped as before, although it is deployed now');
    }
  });
});
