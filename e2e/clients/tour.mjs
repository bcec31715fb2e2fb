// What every client does: lease a container, list what the wallet has leased, renew.
// One JSON line on stdout tells how each call went, with its receipt decoded.

const JSON_BODY = { 'Content-Type': 'application/json' };

/** Runs the tour with a paying `fetch`; `receiptOf` decodes a receipt from response headers. */
export async function tour(client, pay, receiptOf) {
  const base = process.env.BASE_URL;
  const call = async (method, path, body) => {
    const response = await pay(base + path, {
      method,
      ...(body && { headers: JSON_BODY, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json(), receipt: receiptOf(response.headers) };
  };
  const lease = await call('POST', '/lease/container', {
    sku: 'small', runtimeMinutes: 60, hostname: 'e2e-node', password: 'correct-horse-9',
  });
  const list = await call('GET', '/management/list');
  const renew = lease.body.ctid && (await call('POST', `/lease/${lease.body.ctid}/renew`, { runtimeMinutes: 30 }));
  console.log(JSON.stringify({ client, lease, list, renew }));
}
