// A TCP connection between a client and a service that a test can cut and mend.

import { connect, createServer } from 'node:net';

/** Listens on a loopback port and carries every connection to `target`, a URL's port on 127.0.0.1. */
export async function startCable(port, target) {
  const sockets = new Set();
  let cut = false;
  const server = createServer((client) => {
    if (cut) return client.resetAndDestroy();
    const service = connect(target, '127.0.0.1');
    for (const [from, to] of [[client, service], [service, client]]) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise((done, failed) => server.once('error', failed).listen(port, '127.0.0.1', done));
  return {
    /** Resets all connections, and new ones until `mend`. */
    cut() {
      cut = true;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    mend: () => (cut = false),
    async stop() {
      this.cut();
      await new Promise((done) => server.close(done));
    },
  };
}
