//! The previous way to type commands: in pieces of 512 bytes, each a separate message, ending in
//! `exit` before the report is read. The tests show that the simulated defects are those that lost
//! its results.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pve_sim::{Sim, TerminalDefects};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::host::{Host, host, sh};

/// A terminal whose messages are sent unchanged.
struct Raw {
    stream: TcpStream,
    shown: String,
    /// The number of bytes that were sent in messages.
    position: usize,
}

impl Raw {
    async fn open(host: &Host) -> Self {
        let (sim, vmid) = (&host.sim, host.containers[0]);
        let token = format!("PVEAPIToken={}={}", sim.token_id(), sim.token_secret());
        let path = format!("/api2/json/nodes/{}/lxc/{vmid}", sim.node());
        let proxy = termproxy(sim, &path, &token).await;
        let ticket = proxy["ticket"].as_str().unwrap();
        let query = serde_urlencoded::to_string([
            ("port", proxy["port"].to_string().as_str()),
            ("vncticket", ticket),
        ]);
        let head = format!(
            "GET {path}/vncwebsocket?{} HTTP/1.1\r\nHost: pve\r\nAuthorization: {token}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            query.unwrap()
        );
        let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        let mut raw = Self {
            stream,
            shown: String::new(),
            position: 0,
        };
        let user = proxy["user"].as_str().unwrap();
        raw.send(format!("{user}:{ticket}\n").as_bytes()).await;
        raw.position = 0;
        raw.send(b"1:200:50:").await;
        assert!(raw.shows("OK").await);
        raw
    }

    /// Sends one frame, masked with zeros.
    async fn send(&mut self, payload: &[u8]) {
        self.position += payload.len();
        let mut frame = vec![0x82];
        match u16::try_from(payload.len()).unwrap() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        // The connection may have ended by now, which the reader notices.
        let _ = self.stream.write_all(&frame).await;
    }

    /// Whether a text is shown before the end of the connection, and within five seconds.
    async fn shows(&mut self, text: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.shown.contains(text) {
            let mut buffer = [0; 4096];
            match timeout_at(deadline, self.stream.read(&mut buffer)).await {
                Ok(Ok(count @ 1..)) => {
                    // Frame headers are noise between the texts.
                    self.shown += &String::from_utf8_lossy(&buffer[..count]);
                }
                _ => return false,
            }
        }
        true
    }
}

async fn termproxy(sim: &Sim, path: &str, token: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}{path}/termproxy", sim.url()));
    let answer = request.header("Authorization", token).send().await.unwrap();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    body["data"].clone()
}

/// The input for a script, after the probe: whole lines in pieces of 512 bytes at most.
fn old_script(script: &str) -> Vec<String> {
    let mut lines = vec![r#" t=$(mktemp -d) && base64 -d >"$t/c" <<'aaH'"#.to_owned()];
    let encoded = STANDARD.encode(script);
    let parts = encoded.as_bytes().chunks(76);
    lines.extend(parts.map(|line| String::from_utf8(line.to_vec()).unwrap()));
    lines.push("aaH".into());
    lines.push(r#" (cd; exec timeout -k 2 30 sh "$t/c" </dev/null >"$t/o" 2>"$t/e"); r=$?"#.into());
    lines.push(
        r#" printf '\n%s%s %d\n' 'aaB' 'bb' "$r"; head -c 65536 "$t/o" | base64; printf '%s%s\n' 'aaE' 'bb'; rm -rf "$t"; exit"#
            .into(),
    );
    let mut pieces: Vec<String> = Vec::new();
    for line in lines {
        match pieces.last_mut() {
            Some(piece) if piece.len() + line.len() < 512 => piece.push_str(&line),
            _ => pieces.push(line),
        }
        pieces.last_mut().unwrap().push('\r');
    }
    pieces
}

/// Whether a header of these messages lies across a border of termproxy's buffer.
fn has_split_header(mut position: usize, messages: &[String]) -> bool {
    messages.iter().any(|message| {
        let last = position + "0:462".len();
        let split = position / 4096 != last / 4096;
        position += message.len();
        split
    })
}

/// Whether a script that is typed in the previous way returns its whole report.
async fn reports(defects: TerminalDefects, script: &str) -> bool {
    let host = host(sh(), defects, 1).await;
    let mut raw = Raw::open(&host).await;
    assert!(raw.shows("# ").await, "{:?}", raw.shown);
    let probe = " stty -echo 2>/dev/null; PS1= PS2=; printf '\\n%s%s\\n' 'aaR' 'bb'\r";
    raw.send(format!("0:{}:{probe}", probe.len()).as_bytes())
        .await;
    assert!(raw.shows("aaRbb").await, "{:?}", raw.shown);
    let messages: Vec<_> = old_script(script)
        .into_iter()
        .map(|piece| format!("0:{}:{piece}", piece.len()))
        .collect();
    // A long script has a header across a border at some point; this one has one at once.
    let signs = (0..4096).find(|signs| has_split_header(raw.position + signs, &messages));
    if let Some(signs) = signs.filter(|_| messages.len() > 10) {
        raw.send("2".repeat(signs).as_bytes()).await;
    }
    for message in messages {
        raw.send(message.as_bytes()).await;
    }
    raw.shows("aaBbb 0").await && raw.shows("aaEbb").await
}

#[tokio::test]
async fn the_old_way_of_typing_works_without_defects_and_loses_its_results_with_them() {
    let short = "echo hi";
    let long = "# a comment that makes the script long\n".repeat(530) + "echo hi";
    for (defects, script, loses) in [
        (TerminalDefects::NONE, short, false),
        (TerminalDefects::NONE, &long, false),
        (TerminalDefects::LOST_TAIL, short, true),
        (TerminalDefects::SPLIT_HEADERS, &long, true),
        (TerminalDefects::ALL, short, true),
        (TerminalDefects::ALL, &long, true),
    ] {
        // A tail is lost only if the shell ends at once, which does not happen each time on a busy
        // machine.
        let tries = if loses { 5 } else { 2 };
        let mut lost = false;
        for _ in 0..tries {
            let report = timeout(Duration::from_secs(30), reports(defects, script)).await;
            lost = !report.unwrap();
            if lost {
                break;
            }
        }
        assert_eq!(lost, loses, "{defects:?} {}", script.len());
    }
}
