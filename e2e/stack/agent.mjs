// The agent as a test runs it, and a client of it: chat as JSON or as a stream, and payments signed as a browser does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { x402Client, x402HTTPClient } from '@x402/core/client';
import { ExactEvmScheme } from '@x402/evm';
import { account } from '../chain/accounts.mjs';
import { freePort, healthy, start } from './process.mjs';
import { binary } from './services.mjs';

/** Starts an agent in front of the lease API; `env` says which model answers. */
export async function startAgent({ api, env = {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'infra402-agent-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    PORT: String(port), BIND: '127.0.0.1', BACKEND_BASE_URL: api.url, DATA_DIR: folder, RUST_LOG: 'debug',
    // All of a test's customers call from one address.
    CHAT_CALLS_PER_MINUTE: '100000', CHAT_TURNS_PER_ADDRESS: '64', ...env,
  };
  const child = start('agent-api', binary('INFRA402_AGENT_API', 'agent-api'), [], { env: environment, cwd: folder });
  await healthy(child, async () => (await fetch(`${url}/health`)).ok);
  const post = (body, headers = {}) => fetch(`${url}/chat`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
  });
  return {
    url,
    /** One turn as JSON, with the status beside it. */
    async chat(body) {
      const response = await post(body);
      return { status: response.status, ...await response.json() };
    },
    /** One turn as events, converted to the fields of the JSON response. */
    async stream(body) {
      const response = await post(body, { accept: 'text/event-stream' });
      const events = parse(await response.text());
      const find = (type) => events.findLast((event) => event.type === type);
      const wanted = find('payment_required') ?? find('confirm_required');
      return {
        status: response.status,
        events,
        words: events.filter(({ type }) => type === 'token').map(({ text }) => text).join(''),
        reply: find('final')?.reply,
        turn_id: find('final')?.turn_id,
        error: find('error')?.error,
        payment_request: find('payment_required')?.request,
        pending: wanted?.pending,
      };
    },
    log: () => child.log(),
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function parse(text) {
  return text.split('\n\n').filter((block) => block.includes('event: ')).map((block) => {
    const field = (name) => block.split('\n').find((line) => line.startsWith(name)).slice(name.length);
    const event = JSON.parse(field('data: '));
    if (event.type !== field('event: ')) throw new Error(`the event is called otherwise than its type: ${block}`);
    return event;
  });
}

/** Signs a payment request with the published version 2 client; the value of `payment_headers`. */
export async function signRequest(request, payer) {
  const http = new x402HTTPClient(new x402Client().register('eip155:*', new ExactEvmScheme(account(payer))));
  const header = (name) => (name.toLowerCase() === 'payment-required' ? request.payment_required : null);
  const payload = await http.createPaymentPayload(http.getPaymentRequiredResponse(header, request));
  return http.encodePaymentSignatureHeader(payload);
}

/** The result of the last tool call of a turn. */
export function toolResult({ events }) {
  return events.findLast(({ type }) => type === 'tool_done')?.result;
}
