//! A bare WebSocket client over plain TCP, which can also send invalid frames.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Node;

const READ_TIMEOUT: Duration = Duration::from_secs(8);

pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// All output that the terminal has shown.
    pub seen: Vec<u8>,
}

/// A terminal that was requested but has no connection yet.
pub struct Proxy {
    pub vmid: u32,
    pub user: String,
    pub ticket: String,
    pub port: u64,
    pub upid: String,
}

impl Proxy {
    pub fn from_data(vmid: u32, data: &Value) -> Self {
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        Self {
            vmid,
            user: text("user"),
            ticket: text("ticket"),
            port: data["port"].as_u64().unwrap(),
            upid: text("upid"),
        }
    }

    /// Requests a terminal with the service's token.
    pub async fn ask(node: &Node, vmid: u32) -> Self {
        let reply = node
            .call("POST", &format!("/nodes/pve/lxc/{vmid}/termproxy"), &[])
            .await;
        Self::from_data(vmid, reply.data())
    }

    pub fn path(&self) -> String {
        let ticket: String = self
            .ticket
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        format!(
            "/api2/json/nodes/pve/lxc/{}/vncwebsocket?port={}&vncticket={ticket}",
            self.vmid, self.port
        )
    }

    /// Connects with these credentials; returns the status line if there is no upgrade.
    pub async fn connect(&self, node: &Node, credentials: &str) -> Result<Socket, String> {
        let mut stream = TcpStream::connect(node.sim.addr()).await.unwrap();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\n{credentials}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: binary\r\n\r\n",
            self.path()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.lines().next().unwrap().to_owned();
        if !status.contains(" 101 ") {
            return Err(status);
        }
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(
            head.to_lowercase()
                .contains("sec-websocket-protocol: binary"),
            "{head}"
        );
        Ok(Socket {
            stream,
            buffer: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// Connects with the token and sends the ticket.
    pub async fn open(&self, node: &Node) -> Socket {
        let credentials = format!("Authorization: {}", node.authorization());
        let mut socket = self.connect(node, &credentials).await.unwrap();
        socket
            .send(format!("{}:{}\n", self.user, self.ticket).as_bytes())
            .await;
        socket.until("OK").await;
        socket
    }
}

impl Socket {
    /// An open terminal.
    pub async fn terminal(node: &Node, vmid: u32) -> Self {
        Proxy::ask(node, vmid).await.open(node).await
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// One masked binary frame.
    pub async fn send(&mut self, payload: &[u8]) {
        let mut frame = vec![0x82];
        match u16::try_from(payload.len()).unwrap() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(
            payload
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.raw(&frame).await;
    }

    /// Sends keystrokes.
    pub async fn keys(&mut self, text: &str) {
        self.send(format!("0:{}:{text}", text.len()).as_bytes())
            .await;
    }

    /// Reads until the text was shown, and returns the output since the last time.
    pub async fn until(&mut self, text: &str) -> String {
        let from = self.seen.len();
        loop {
            let shown = String::from_utf8_lossy(&self.seen[from..]).into_owned();
            if shown.contains(text) {
                return shown;
            }
            let more = tokio::time::timeout(READ_TIMEOUT, self.frame()).await;
            match more {
                Ok(true) => {}
                Ok(false) => panic!(
                    "ended without {text:?}: {:?}",
                    String::from_utf8_lossy(&self.seen)
                ),
                Err(_) => panic!("no {text:?}: {:?}", String::from_utf8_lossy(&self.seen)),
            }
        }
    }

    /// Types a line until its output is shown: a shell that is still setting up its terminal
    /// discards earlier input.
    pub async fn asks(&mut self, line: &str, output: &str) {
        let deadline = Instant::now() + READ_TIMEOUT;
        while Instant::now() < deadline {
            self.keys(&format!("{line}\r")).await;
            let shown = tokio::time::timeout(READ_TIMEOUT / 10, self.until(output)).await;
            if shown.is_ok() {
                return;
            }
        }
        panic!("no {output:?}: {:?}", String::from_utf8_lossy(&self.seen));
    }

    /// Reads to the end, which comes without a closing handshake.
    pub async fn end(&mut self) -> String {
        self.end_within(READ_TIMEOUT).await
    }

    /// The same, for a shell that may be silent for this long.
    pub async fn end_within(&mut self, timeout: Duration) -> String {
        let from = self.seen.len();
        while tokio::time::timeout(timeout, self.frame()).await.unwrap() {}
        String::from_utf8_lossy(&self.seen[from..]).into_owned()
    }

    /// Reads one frame, or notices the end.
    async fn frame(&mut self) -> bool {
        loop {
            if let Some(payload) = self.buffered() {
                self.seen.extend(payload);
                return true;
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more).await {
                Ok(count @ 1..) => self.buffer.extend(&more[..count]),
                Ok(_) | Err(_) => return false,
            }
        }
    }

    fn buffered(&mut self) -> Option<Vec<u8>> {
        let [first, second, ..] = self.buffer[..] else {
            return None;
        };
        assert_eq!(
            (first, second & 0x80),
            (0x82, 0),
            "only whole binary frames, unmasked"
        );
        let (head, length) = match second {
            126 => (
                4,
                usize::from(u16::from_be_bytes(
                    self.buffer.get(2..4)?.try_into().unwrap(),
                )),
            ),
            127 => (
                10,
                u64::from_be_bytes(self.buffer.get(2..10)?.try_into().unwrap()) as usize,
            ),
            short => (2, usize::from(short)),
        };
        let payload = self.buffer.get(head..head + length)?.to_vec();
        self.buffer.drain(..head + length);
        Some(payload)
    }
}
