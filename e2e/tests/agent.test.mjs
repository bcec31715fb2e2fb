// A conversation with an imitated model (aimock speaks OpenAI's protocol, streamed in small pieces), paid with a
// real signature: from a question to a running container and to its end. The model's whole traffic is searched for secrets.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { account, PAYERS } from '../chain/accounts.mjs';
import { signIn } from '../clients/session.mjs';
import { signRequest, startAgent, toolResult } from '../stack/agent.mjs';
import { faucet, startApi, startSimulator } from '../stack/services.mjs';

const KEY = 'sk-a-key-that-nobody-else-has';
const SECRET = 'one secret for both replicas of the agent';
const PASSWORD = 'correct-horse-9-battery';
let simulator, api, model, agent, replica;

before(async () => {
  simulator = await startSimulator();
  api = await startApi({ simulator });
  model = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 5, strict: true });
  await model.start();
  const env = {
    LLM_PROVIDER: 'openai-compatible', LLM_BASE_URL: `${model.url}/v1`, LLM_MODEL: 'imitated', LLM_API_KEY: KEY,
    AGENT_SECRET: SECRET,
  };
  agent = await startAgent({ api, env });
  replica = await startAgent({ api, env: { ...env, LLM_STREAM: 'false' } });
});
after(async () => {
  await agent?.stop();
  await replica?.stop();
  await model?.stop();
  await api?.stop();
  await simulator?.stop();
});

/** The customer's last words, and how many tools have answered since. */
function heard({ messages }) {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  return { words: messages[last].content, answers: messages.slice(last).filter(({ role }) => role === 'tool').length };
}

/** The model's lines after these words: the nth after n tools have answered. */
function script(words, ...lines) {
  lines.forEach((response, round) => {
    const predicate = (request) => {
      const now = heard(request);
      return now.words.includes(words) && now.answers === round;
    };
    model.addFixture({ match: { predicate }, response });
  });
}

const call = (name, args) => ({ toolCalls: [{ name, arguments: typeof args === 'string' ? args : JSON.stringify(args) }] });

function journal() {
  return JSON.stringify(model.getRequests());
}

for (const [number, way] of ['chat', 'stream'].entries()) {
  test(`a conversation goes from a quote to a lease, a renewal and the end (${way})`, async () => {
    const payer = PAYERS[number];
    await faucet(api, account(payer).address);
    const size = { runtimeMinutes: 60, cores: 1, hostname: `e2e-${way}` };
    script(`${way}: lease a small one`, call('quote_lease', size), call('lease_container', size), { content: 'Your container is ready.' });
    const asked = await agent[way]({ message: `${way}: lease a small one`, wallet: account(payer).address });
    const quote = asked.events.find(({ type, tool }) => type === 'tool_done' && tool === 'quote_lease');
    assert.equal(quote.result.price.total, asked.payment_request.amount, 'what is asked is what was quoted');
    assert.equal(asked.payment_request.needs_credential, true);
    assert.deepEqual((await simulator.containers()).filter(({ name }) => name === size.hostname), []);

    const signed = await signRequest(asked.payment_request, payer);
    const resume = { pending: asked.pending, payment_headers: signed, secrets: { password: PASSWORD } };
    const leased = await replica[way](resume);
    assert.equal(leased.reply, 'Your container is ready.', JSON.stringify(leased));
    const { ctid } = toolResult(leased);
    assert.equal((await simulator.container(ctid)).status, 'running');
    const again = await agent[way](resume);
    assert.deepEqual(toolResult(again), toolResult(leased), 'a repeated request gives the same answer');

    script(`${way}: an hour more`, call('renew_lease', { ctid, runtimeMinutes: 60 }), { content: 'Renewed.' });
    const renewal = await agent[way]({ message: `${way}: an hour more` });
    const renewed = await agent[way]({
      pending: renewal.pending, payment_headers: await signRequest(renewal.payment_request, payer),
    });
    assert.equal(renewed.reply, 'Renewed.');

    const session = await signIn(api.url, payer);
    const payments = await session.payments();
    assert.deepEqual(payments.map(({ state }) => state), ['settled', 'settled'], 'two payments for two signatures');

    script(`${way}: pause it`, call('stop_container', { ctid }), { content: 'It is off.' });
    const pausing = await agent[way]({ message: `${way}: pause it`, session: session.token });
    assert.equal((await simulator.container(ctid)).status, 'running', 'not before the yes');
    const paused = await replica[way]({ pending: pausing.pending, confirm: true, session: session.token });
    assert.equal(paused.reply, 'It is off.', JSON.stringify(paused));
    assert.equal((await simulator.container(ctid)).status, 'stopped');
    script(`${way}: go on`, call('start_container', { ctid }), { content: 'It is on.' });
    const stranger = await agent[way]({ message: `${way}: go on` });
    assert.equal(stranger.events.find(({ type }) => type === 'tool_done').ok, false, 'it is not started without a session');
    const resumed = await agent[way]({ message: `${way}: go on`, session: session.token });
    assert.equal(resumed.reply, 'It is on.', JSON.stringify(resumed));
    assert.equal((await simulator.container(ctid)).status, 'running');

    script(`${way}: end it`, call('destroy_lease', { ctid }), { content: 'It is gone.' });
    const ending = await agent[way]({ message: `${way}: end it`, session: session.token });
    assert.equal(ending.payment_request, undefined);
    assert.equal((await simulator.container(ctid)).status, 'running', 'not before the yes');
    const gone = await agent[way]({ pending: ending.pending, confirm: true, session: session.token });
    assert.equal(gone.reply, 'It is gone.', JSON.stringify(gone));
    assert.equal(await simulator.container(ctid), null);

    const traffic = journal();
    assert.ok(traffic.includes(`${way}: end it`), 'the journal has the conversation');
    for (const secret of [PASSWORD, session.token, SECRET, ...Object.values(signed)]) {
      assert.ok(!traffic.includes(secret), 'the model saw a secret');
      assert.ok(!agent.log().includes(secret) && !api.log().includes(secret), 'a secret is in a log');
    }
    assert.ok(!agent.log().includes(KEY), 'the key is in the log');
    assert.ok(api.log().includes(asked.turn_id), 'the turn cannot be found in the log of the lease API');
  });
}

test('parallel calls, calls without arguments and calls written as text are all made', async () => {
  script('how busy, twice', {
    toolCalls: [{ name: 'get_node_stats', arguments: '' }, { name: 'list_lxc_stats', arguments: '{}' }],
  }, { content: '' }, { content: 'Not very.' });
  const busy = await agent.stream({ message: 'how busy, twice' });
  assert.equal(busy.reply, 'Not very.', JSON.stringify(busy));
  assert.equal(busy.events.filter(({ type, ok }) => type === 'tool_done' && ok).length, 2);

  script('how busy, as text', { content: JSON.stringify({ name: 'get_node_stats', arguments: {} }) }, { content: 'Idle.' });
  const text = await agent.stream({ message: 'how busy, as text' });
  assert.equal(text.words, 'Idle.', 'the call is not shown as words');
  assert.equal(text.events.find(({ type }) => type === 'tool_done').tool, 'get_node_stats');
});

test('arguments that cannot be read go back to the model', async () => {
  script('broken', call('renew_lease', '{"ctid": 1, "runtimeMin'), { content: 'I was wrong.' });
  for (const way of ['chat', 'stream']) {
    const answer = await replica[way]({ message: 'broken' });
    assert.equal(answer.reply, 'I was wrong.', JSON.stringify(answer));
    assert.equal(answer.events.find(({ type }) => type === 'tool_done').ok, false);
  }
});

test('a model that is overloaded is asked again, and one that refuses the key is named', async () => {
  const overloaded = { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 };
  model.addFixture({ match: { userMessage: 'overloaded', sequenceIndex: 0 }, response: overloaded });
  model.addFixture({ match: { userMessage: 'overloaded' }, response: { content: 'Now.' } });
  assert.equal((await agent.chat({ message: 'overloaded' })).reply, 'Now.');

  const refused = { error: { message: `Incorrect API key: ${KEY}`, type: 'invalid_request_error', code: 'invalid_api_key' }, status: 401 };
  model.addFixture({ match: { userMessage: 'refused' }, response: refused });
  const answer = await agent.chat({ message: 'refused' });
  assert.equal(answer.status, 502);
  assert.equal(answer.error.code, 'model_error');
  assert.match(answer.error.message, /refuses this service's key/);
  assert.ok(!JSON.stringify(answer).includes(KEY) && !agent.log().includes(KEY));
});

test('a stream that is cut off in the middle is an error and no answer', async () => {
  model.addFixture({
    match: { userMessage: 'cut off' }, response: { content: 'This will never be said to its end.' }, truncateAfterChunks: 3,
  });
  const answer = await agent.stream({ message: 'cut off' });
  assert.equal(answer.error?.code, 'model_error', JSON.stringify(answer.events));
  assert.equal(answer.reply, undefined);
});

test('a model that leases without being asked gets nothing without the customer', async () => {
  const before = (await simulator.containers()).length;
  script('read the message', call('lease_container', { runtimeMinutes: 60, cores: 8 }));
  const answer = await agent.chat({ message: 'read the message' });
  assert.equal(answer.payment_request.call.body.cores, 8);
  assert.equal((await simulator.containers()).length, before);
});
