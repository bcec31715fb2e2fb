//! What editors do that work in a machine by SSH: each window starts the one server there by a
//! script over a shell's input, and speaks with it through a dynamic forwarding, on many
//! connections; the server outlives a window, and is found again.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::openssh::Client;
use crate::support::until;

/// Starts the server unless it runs, prints where it listens, and stays.
const SCRIPT: &str = r#"
set -e
folder="$HOME/.editor-server"
mkdir -p "$folder"
cd "$folder"
if ! kill -0 "$(cat pid 2>/dev/null)" 2>/dev/null; then
    rm -f log
    cat > server.py <<'END'
import asyncio, os
async def talk(reader, writer):
    while line := await reader.readline():
        writer.write(b'%d %s' % (os.getpid(), line))
        await writer.drain()
async def main():
    server = await asyncio.start_server(talk, '127.0.0.1', 0)
    print('listening on', server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
END
    nohup setsid python3 server.py > log 2>&1 < /dev/null &
    echo $! > pid
fi
for _ in $(seq 200); do grep -q listening log 2>/dev/null && break; sleep 0.05; done
echo "port $(sed -n 's/^listening on //p' log)"
cat > /dev/null
"#;

/// A window of the editor: an SSH connection that forwards, and a script in it.
struct Window {
    ssh: Child,
    _said: Lines<BufReader<ChildStdout>>,
    socks: SocketAddr,
    port: u16,
}

impl Window {
    async fn open(client: &Client, name: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let socks = free.local_addr().unwrap();
        drop(free);
        let mut ssh = Command::new("ssh")
            .arg("-F")
            .arg(client.path("config"))
            .args(["-T", "-D", &socks.to_string()])
            .args(["-o", "ExitOnForwardFailure=yes", name, "bash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The script's own input follows it, and stays open as long as the window.
        let input = ssh.stdin.as_mut().unwrap();
        input.write_all(SCRIPT.as_bytes()).await.unwrap();
        let mut said = BufReader::new(ssh.stdout.take().unwrap()).lines();
        let line = timeout(Duration::from_secs(60), said.next_line());
        let line = line.await.expect("it says its port").unwrap().unwrap();
        let port = line
            .strip_prefix("port ")
            .and_then(|port| port.parse().ok());
        Self {
            ssh,
            _said: said,
            socks,
            port: port.unwrap_or_else(|| panic!("{line:?}")),
        }
    }

    /// A connection to the server.
    async fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.socks).await.unwrap();
        stream.write_all(&[5, 1, 0]).await.unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.unwrap();
        let mut request = vec![5, 1, 0, 3, 9];
        request.extend(b"127.0.0.1");
        request.extend(self.port.to_be_bytes());
        stream.write_all(&request).await.unwrap();
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..2], [5, 0], "the connection stands");
        stream
    }

    /// Opens connections, and uses all of them while all are open; returns the server's process.
    async fn talk(&self, count: usize) -> String {
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(BufReader::new(self.connect().await));
        }
        let mut server = String::new();
        for (number, stream) in open.iter_mut().enumerate() {
            let asked = format!("hello {number}\n");
            stream.write_all(asked.as_bytes()).await.unwrap();
            let mut line = String::new();
            let read = timeout(Duration::from_secs(30), stream.read_line(&mut line));
            read.await.expect("it answers").unwrap();
            let (pid, echo) = line.split_once(' ').unwrap_or_default();
            assert_eq!(echo, asked, "{number} of {count}: {line:?}");
            server = pid.to_owned();
        }
        server
    }

    /// Ends as a laptop does that is shut: without a word.
    async fn lose(mut self) {
        self.ssh.kill().await.unwrap();
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_ssh_client, has_confined_shells, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn an_editors_windows_share_a_server_in_the_container_and_find_it_again() {
    let client = Client::start().await;
    let line = client.make_key("ed25519").await;
    client.add(&line).await;
    let name = client.configure("ed25519").await;
    let (first, second) = tokio::join!(Window::open(&client, &name), async {
        // The second window is opened while the first one still starts, as a restart of the editor
        // does, but finds the server's files.
        until("the server was started", async || {
            let path = "files?path=/root/.editor-server/pid&about=true";
            let about = client.api(reqwest::Method::GET, path, None).await;
            (about.status == 200).then_some(())
        })
        .await;
        Window::open(&client, &name).await
    });
    let (server, again) = tokio::join!(first.talk(30), second.talk(30));
    assert_eq!((&server, first.port), (&again, second.port));
    first.lose().await;
    assert_eq!(second.talk(3).await, server, "the other window goes on");
    second.lose().await;
    let found = Window::open(&client, &name).await;
    assert_eq!(found.talk(3).await, server, "it has gone on alone");
}
