// A wallet that answers when the test says so, if at all. It announces itself (EIP-6963) and really signs, with a public development
// key, in this process.

import { account as accountOf } from '../chain/accounts.mjs';

const BASE_SEPOLIA = '0x14a34';

/** Puts the wallet into a page. Methods that are held are answered only by `release`. */
export async function slow(page, account, { name = 'Slow Wallet', rdns = 'example.slow-wallet' } = {}) {
  const key = accountOf(account);
  const held = new Set();
  const waiting = [];
  let permitted = false;
  const answers = {
    eth_requestAccounts: () => ((permitted = true), [key.address]),
    eth_accounts: () => (permitted ? [key.address] : []),
    eth_chainId: () => BASE_SEPOLIA,
    eth_signTypedData_v4: ([, typed]) => sign(key, JSON.parse(typed)),
    personal_sign: ([raw]) => key.signMessage({ message: { raw } }),
  };
  const ask = async (method, params) => {
    const answer = answers[method];
    if (!answer) throw new Error(`no method ${method}`);
    if (held.has(method)) await new Promise((go) => waiting.push({ method, params, go }));
    return answer(params);
  };
  const entrance = `ask_${rdns.replace(/\W/g, '_')}`;
  await page.exposeFunction(entrance, ask);
  await page.addInitScript(
    ({ entrance, name, rdns }) => {
      const provider = { request: ({ method, params }) => window[entrance](method, params ?? []), on() {} };
      const info = { uuid: crypto.randomUUID?.() ?? rdns, name, rdns, icon: '' };
      const announce = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }));
      addEventListener('eip6963:requestProvider', announce);
      announce();
    },
    { entrance, name, rdns },
  );
  return {
    name,
    address: key.address,
    /** From now on these methods are not answered. */
    hold: (...methods) => methods.forEach((method) => held.add(method)),
    /** From now on new requests are answered at once; waiting ones go on waiting. */
    answer: () => held.clear(),
    /** The requests that wait, the oldest first. */
    waiting: (method) => waiting.filter((one) => one.method === method),
    /** Answers a request that waits, by its index in that list. */
    release(method, place = 0) {
      const one = waiting.filter((one) => one.method === method)[place];
      waiting.splice(waiting.indexOf(one), 1);
      one.go();
    },
  };
}

function sign(key, { domain, types, primaryType, message }) {
  const { EIP712Domain: _, ...rest } = types;
  const numbers = ['value', 'validAfter', 'validBefore'];
  const exact = Object.fromEntries(Object.entries(message).map(([name, value]) => [name, numbers.includes(name) ? BigInt(value) : value]));
  return key.signTypedData({ domain, types: rest, primaryType, message: exact });
}
