// docker-compose.yml as Compose itself reads it, without the developer's environment and .env, and commands of Compose
// where there is an engine.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const tool = (name) => join(ROOT, 'e2e/.venv-compose/bin', name);

/** A file of the project. */
export const file = (name) => readFileSync(join(ROOT, name), 'utf8');

/** Runs Compose; `settings` is what .env says. */
export function compose(args, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'infra402-compose-'));
  try {
    const env = join(folder, 'env');
    writeFileSync(env, Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''));
    return run(tool('docker-compose'), ['--env-file', env, ...args]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The file as Compose resolves it with these settings and options, such as `--profile real`. */
export const config = (settings, ...options) =>
  JSON.parse(compose([...options, 'config', '--format', 'json'], settings));

/** What hadolint finds in the Dockerfile. */
export const lint = () => JSON.parse(run(tool('hadolint'), ['--format', 'json', '--no-fail', 'Dockerfile']));

function run(command, args) {
  const { PATH, HOME, DOCKER_HOST } = process.env;
  try {
    return execFileSync(command, args, {
      cwd: ROOT,
      encoding: 'utf8',
      env: { PATH, HOME, ...(DOCKER_HOST && { DOCKER_HOST }) },
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    throw new Error(`${args.join(' ')}: ${error.message}\n${error.stderr}`);
  }
}
