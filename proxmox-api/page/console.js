// The console page: the ticket from the address, a terminal, and the connection between them.

import { Terminal } from './xterm.mjs';
import { FitAddon } from './addon-fit.mjs';
import { Connection } from './connection.js';

const KEPT = 'infra402.console';
const element = (id) => document.getElementById(id);

/** The ticket goes out of the address at once, so that neither history nor a bookmark keeps it. */
function takeTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket');
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  // A reload comes back with the ticket that the last connection was given.
  return ticket || sessionStorage.getItem(KEPT);
}

const WORDS = { connecting: 'Connecting…', open: 'Connected', waiting: 'Connection lost, reconnecting…' };
let expiresAt = 0;

function show(state) {
  const { name, reason, lost } = state;
  element('state').dataset.state = name;
  element('state').textContent = name === 'closed' ? `Closed: ${reason}` : WORDS[name];
  element('reconnect').hidden = !(name === 'waiting' || (name === 'closed' && lost));
  if (name === 'open') {
    element('name').textContent = `${state.hostname} (${state.ctid})`;
    document.title = `${state.hostname} – console`;
    expiresAt = Date.parse(state.expiresAt);
    terminal.focus();
  }
}

function countDown() {
  if (!expiresAt) return;
  const seconds = Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const text = hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${seconds} s`;
  element('left').textContent = `${text} left`;
}

/** Several lines would run as they are pasted. */
function guardPaste(event) {
  const lines = event.clipboardData.getData('text').trimEnd().split('\n').length;
  if (lines > 1 && !terminal.modes.bracketedPasteMode && !confirm(`Paste ${lines} lines? Each may run at once.`)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

const terminal = new Terminal({
  cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
  fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
  fontSize: 14,
  scrollback: 5000,
  theme: { background: '#11151c', foreground: '#e6e9ef' },
});
const fit = new FitAddon();
terminal.loadAddon(fit);
terminal.open(element('terminal'));
fit.fit();

const ticket = takeTicket();
if (ticket) {
  const url = new URL('console/ws', location.href.split('#')[0]);
  url.protocol = url.protocol.replace('http', 'ws');
  const connection = new Connection({
    url,
    ticket,
    size: [terminal.cols, terminal.rows],
    hooks: {
      state: show,
      data: (bytes) => terminal.write(bytes),
      ticket: (text) => (text ? sessionStorage.setItem(KEPT, text) : sessionStorage.removeItem(KEPT)),
    },
  });
  terminal.onData((text) => connection.send(text));
  terminal.onBinary((text) => connection.send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => connection.resize([cols, rows]));
  element('terminal').addEventListener('paste', guardPaste, true);
  element('reconnect').addEventListener('click', () => connection.connect());
  new ResizeObserver(() => fit.fit()).observe(element('terminal'));
  setInterval(countDown, 1000);
  connection.connect();
} else {
  show({ name: 'closed', reason: 'open this page by the consoleUrl of POST /management/console/{ctid}.' });
}
