// A wallet session: the free way to look at one's own leases and payments.

import { account } from '../chain/accounts.mjs';

/** Signs in with a development account; the answer reads that wallet's data. */
export async function signIn(baseUrl, payer) {
  const wallet = account(payer);
  const { message } = await post(`${baseUrl}/session/challenge`, { address: wallet.address });
  const signature = await wallet.signMessage({ message });
  const { token } = await post(`${baseUrl}/session`, { message, signature });
  const get = async (path) => {
    const response = await fetch(baseUrl + path, { headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`GET ${path} answers ${response.status}: ${await response.text()}`);
    return response.json();
  };
  return {
    token,
    leases: async () => (await get('/leases?all=true')).leases,
    payments: async () => (await get('/payments')).payments,
  };
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${url} answers ${response.status}: ${await response.text()}`);
  return response.json();
}
