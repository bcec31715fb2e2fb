// Child processes that tests start: they listen on loopback, are waited for by a
// condition with a deadline, keep their output for the failure message, and end
// with the test.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * A free TCP port of 127.0.0.1, below the range that Linux gives to outgoing connections: a port of
 * that range could be taken by any connection before the service listens on it.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_240, 32_768);
    const server = createServer();
    const free = await new Promise((done) => {
      server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true));
    });
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

/** Polls `condition` until it gives something truthy; throws with `what` after the deadline. */
export async function until(what, condition, { timeoutMs = 15_000, everyMs = 40 } = {}) {
  const deadline = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      if (error.fatal) throw error;
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`did not happen within ${timeoutMs} ms: ${what}; last: ${last?.message ?? JSON.stringify(last)}`);
    }
    await pause(everyMs);
  }
}

/** Polls `condition` for a while, and throws as soon as it does not hold: for events that must not happen. */
export async function holds(what, condition, { forMs = 500, everyMs = 40 } = {}) {
  const end = Date.now() + forMs;
  do {
    if (!(await condition())) throw new Error(`it did not stay so: ${what}`);
    await pause(everyMs);
  } while (Date.now() < end);
}

/** Waits until `read` has given the same value for a while, and gives that value. */
export async function steady(what, read, { forMs = 200 } = {}) {
  let value;
  let since;
  await until(`${what} to change no more`, async () => {
    const now = await read();
    if (since === undefined || now !== value) [value, since] = [now, Date.now()];
    return Date.now() - since >= forMs;
  });
  return value;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Starts a program with exactly this environment (plus PATH and HOME) and remembers its last output. */
export function start(name, command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines = [];
  const keep = (chunk) => {
    lines.push(...chunk.toString().split('\n').filter(Boolean));
    if (lines.length > 400) lines.splice(0, lines.length - 400);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise((done) => {
    child.once('error', (error) => {
      lines.push(error.message);
      running.delete(child);
      done(error.message);
    });
    child.once('exit', (code, signal) => {
      running.delete(child);
      done(signal ?? code);
    });
  });
  return {
    name,
    pid: child.pid,
    log: () => lines.join('\n'),
    exited,
    isRunning: () => running.has(child),
    signal: (signal) => child.kill(signal),
    async stop(signal = 'SIGTERM') {
      if (!running.has(child)) return;
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Waits until `ready` holds, and says what the process printed when it died or never got there. */
export async function healthy(child, ready, options) {
  try {
    await until(
      `${child.name} to be ready`,
      async () => {
        if (!child.isRunning()) throw Object.assign(new Error(`${child.name} ended`), { fatal: true });
        return await ready();
      },
      options,
    );
  } catch (error) {
    await child.stop('SIGKILL');
    throw new Error(`${error.message}\n--- ${child.name} said:\n${child.log()}`);
  }
}
