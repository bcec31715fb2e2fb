// The console's WebSocket as a browser speaks it: the ticket first, then bytes both ways. When the
// connection is lost it comes back by itself, with the ticket that the service gave for that.

const LONGEST_TYPED = 32 * 1024;
const CONNECT_MS = 10_000;
const GIVE_UP_MS = 120_000;
const PAUSES_MS = [200, 500, 1000, 2000, 4000];

/** Closed without a reason that would come again: 1001 to 1013 are the connection's own, 4503 is the machines'. */
const isLost = (code) => (code >= 1001 && code <= 1013 && code !== 1009) || code === 4503;

export class Connection {
  #url; #ticket; #size; #hooks;
  #socket = null;
  #opened = false;
  #lostAt = 0;
  #attempt = 0;
  #timer = 0;

  /**
   * `hooks`: `state({ name, … })` with name `connecting`, `open` (ctid, hostname, expiresAt), `waiting` or
   * `closed` (code, reason, lost); `data(Uint8Array)`; `ticket(text)`, the one to come back with, or null.
   */
  constructor({ url, ticket, size, hooks }) {
    this.#url = url;
    this.#ticket = ticket;
    this.#size = size;
    this.#hooks = hooks;
    addEventListener('online', () => this.#timer && this.#connect());
    addEventListener('offline', () => this.#opened && this.#lose());
  }

  /** Connects, also after it has given up. */
  connect() {
    this.#lostAt = Date.now();
    this.#attempt = 0;
    this.#connect();
  }

  /** Types bytes or text. What is typed while there is no connection is lost, as on a cut line. */
  send(data) {
    if (!this.#opened) return;
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    for (let start = 0; start < bytes.length; start += LONGEST_TYPED) {
      this.#socket.send(bytes.subarray(start, start + LONGEST_TYPED));
    }
  }

  resize(size) {
    this.#size = size;
    if (this.#opened) this.#socket.send(JSON.stringify({ resize: size }));
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#hooks.state({ name: 'connecting' });
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#opened = false;
    this.#timer = setTimeout(() => this.#lose(), CONNECT_MS);
    socket.onopen = () => socket.send(JSON.stringify({ ticket: this.#ticket, resize: this.#size }));
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#hear(JSON.parse(data));
      else this.#hooks.data(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => this.#close(code, reason);
  }

  #hear({ opened }) {
    if (!opened) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#opened = true;
    this.#attempt = 0;
    this.#ticket = opened.resume;
    this.#hooks.ticket(opened.resume);
    this.#hooks.state({ name: 'open', ...opened });
    // The size may have changed meanwhile.
    this.#socket.send(JSON.stringify({ resize: this.#size }));
  }

  /** Leaves a connection that does not answer. */
  #lose() {
    const socket = this.#socket;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close(4000);
    this.#close(1006, 'The connection was lost.');
  }

  #close(code, reason) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#opened) this.#lostAt = Date.now();
    this.#opened = false;
    const lost = isLost(code);
    if (lost && Date.now() - this.#lostAt < GIVE_UP_MS) {
      this.#hooks.state({ name: 'waiting' });
      const pause = PAUSES_MS[Math.min(this.#attempt++, PAUSES_MS.length - 1)];
      this.#timer = setTimeout(() => this.#connect(), pause);
      return;
    }
    if (!lost) this.#hooks.ticket(null);
    this.#hooks.state({ name: 'closed', code, reason: reason || 'The connection was lost.', lost });
  }
}
