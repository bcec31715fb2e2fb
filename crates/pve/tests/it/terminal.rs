//! The terminal's connection against a WebSocket server written by hand that behaves as Proxmox's
//! does.

use std::time::Duration;

use base64::Engine;
use pve::{Auth, Client, Terminal, TerminalError};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::mock::client;

const TICKET: &str = "PVEVNC:1::a+b/c=";

/// Reads up to and including an empty line.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut body =
        vec![0; header(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|l| l.split_once(": "));
    lines
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.to_owned())
}

/// Reads one frame of the client's and checks that Proxmox would accept it.
pub async fn frame(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let second = stream.read_u8().await.ok()?;
    assert_eq!(first & 0xf0, 0x80, "whole and without extensions");
    assert_eq!(second & 0x80, 0x80, "masked");
    let length = match second & 0x7f {
        126 => usize::from(stream.read_u16().await.unwrap()),
        127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    assert!(length <= 128 * 1024);
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    payload
        .iter_mut()
        .zip(mask.iter().cycle())
        .for_each(|(byte, key)| *byte ^= key);
    Some((first & 0x0f, payload))
}

/// A short frame of the server's.
pub fn binary(payload: &[u8]) -> Vec<u8> {
    [&[0x82, payload.len() as u8], payload].concat()
}

/// Serves the calls that open a terminal, and passes the upgraded connection to `terminal` after
/// its head was read.
pub async fn serve<F>(terminal: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let terminal = terminal.clone();
            tokio::spawn(async move {
                while let Some(head) = head(&mut stream).await {
                    if head.contains("/vncwebsocket?") {
                        accept(&mut stream, &head).await;
                        return terminal(stream).await;
                    }
                    let body = plain_answer(&head);
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    url
}

fn plain_answer(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap();
    match path.strip_prefix("/api2/json").unwrap() {
        "/access/ticket" => {
            r#"{"data":{"ticket":"PVE:console@pve:x","CSRFPreventionToken":"y"}}"#.to_owned()
        }
        "/nodes/pve/lxc/101/status/current" => {
            r#"{"data":{"vmid":101,"status":"running"}}"#.to_owned()
        }
        "/nodes/pve/lxc/102/status/current" => {
            r#"{"data":{"vmid":102,"status":"stopped"}}"#.to_owned()
        }
        "/nodes/pve/lxc/101/termproxy" => {
            let user = if head.contains("PVEAuthCookie") {
                "console@pve"
            } else {
                "lease@pve!svc"
            };
            format!(
                r#"{{"data":{{"user":"{user}","ticket":"{TICKET}","port":"5900","upid":"UPID:"}}}}"#
            )
        }
        other => panic!("{other}"),
    }
}

async fn accept(stream: &mut TcpStream, head: &str) {
    let line = "GET /api2/json/nodes/pve/lxc/101/vncwebsocket?port=5900&vncticket=PVEVNC%3A1%3A%3Aa%2Bb%2Fc%3D HTTP/1.1";
    assert!(head.starts_with(line), "{head}");
    assert_eq!(
        header(head, "sec-websocket-protocol").as_deref(),
        Some("binary")
    );
    assert_eq!(header(head, "sec-websocket-extensions"), None);
    let account = header(head, "authorization")
        .or(header(head, "cookie"))
        .unwrap();
    assert!(account.starts_with("PVEAPIToken=") || account.starts_with("PVEAuthCookie="));
    let joined = format!(
        "{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
        header(head, "sec-websocket-key").unwrap()
    );
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
    let accept = base64::engine::general_purpose::STANDARD.encode(accept);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

pub fn token_client(url: &str) -> Client {
    client(url, Auth::token("lease@pve!svc", "s3cr3t-value"))
}

async fn open(url: &str) -> Result<Terminal, TerminalError> {
    token_client(url)
        .terminal(&"pve".parse().unwrap(), "101".parse().unwrap(), 200, 50)
        .await
}

async fn read_all(terminal: &mut Terminal) -> Vec<u8> {
    let mut all = Vec::new();
    let reading = async {
        while let Some(bytes) = terminal.read().await.unwrap() {
            all.extend_from_slice(&bytes);
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .unwrap();
    all
}

#[tokio::test]
async fn a_terminal_is_opened_used_and_ended_as_proxmox_does_it() {
    let url = serve(|mut stream| async move {
        let (_, line) = frame(&mut stream).await.unwrap();
        assert_eq!(line, format!("lease@pve!svc:{TICKET}\n").as_bytes());
        // The confirmation arrives in pieces, with output after it, and a ping in between.
        stream.write_all(&binary(b"O")).await.unwrap();
        stream.write_all(&[0x89, 2, b'h', b'i']).await.unwrap();
        stream.write_all(&binary(b"K\x1b[H\x1b[J")).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < 4 {
            heard.push(frame(&mut stream).await.unwrap());
        }
        heard.sort();
        assert_eq!(
            heard,
            [
                (2, b"0:3:ls\r".to_vec()),
                (2, b"1:200:50:".to_vec()),
                (2, b"2".to_vec()),
                (10, b"hi".to_vec()),
            ]
        );
        stream.write_all(&binary(b"note\r\n")).await.unwrap();
        // The connection ends without a closing handshake.
    })
    .await;
    let mut terminal = open(&url).await.unwrap();
    terminal.write(b"ls\r").await.unwrap();
    terminal.ping().await.unwrap();
    assert_eq!(read_all(&mut terminal).await, b"\x1b[H\x1b[Jnote\r\n");
    assert!(
        terminal.read().await.unwrap().is_none(),
        "the end stays the end"
    );
}

#[tokio::test]
async fn a_large_paste_arrives_whole_in_frames_that_proxmox_takes() {
    let (done, result) = tokio::sync::mpsc::channel(1);
    let url = serve(move |mut stream| {
        let done = done.clone();
        async move {
            frame(&mut stream).await.unwrap();
            stream.write_all(&binary(b"OK")).await.unwrap();
            let mut typed = Vec::new();
            let mut position = 0;
            while let Some((2, message)) = frame(&mut stream).await {
                let header = match &message[..] {
                    [b'2', ..] => 1,
                    [b'1', ..] => message.len(),
                    _ => 3 + message[2..].iter().position(|b| *b == b':').unwrap(),
                };
                // If termproxy's buffer ends in a header, all bytes after it are lost.
                assert_eq!(
                    position / 4096,
                    (position + header - 1) / 4096,
                    "{position}"
                );
                position += message.len();
                if message.starts_with(b"0:") {
                    let colon = 2 + message[2..].iter().position(|b| *b == b':').unwrap();
                    let length: usize = std::str::from_utf8(&message[2..colon])
                        .unwrap()
                        .parse()
                        .unwrap();
                    assert_eq!(message.len() - colon - 1, length);
                    typed.extend_from_slice(&message[colon + 1..]);
                }
            }
            done.send(typed).await.unwrap();
        }
    })
    .await;
    let mut result = result;
    let paste: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut terminal = open(&url).await.unwrap();
    terminal.write(&paste).await.unwrap();
    drop(terminal);
    let typed = tokio::time::timeout(Duration::from_secs(5), result.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(typed == paste, "{} bytes of {}", typed.len(), paste.len());
}

#[tokio::test]
async fn an_older_host_that_takes_no_token_is_recognised() {
    let url = serve(|mut stream| async move {
        // The host reads the ticket, rejects it, and drops the connection.
        frame(&mut stream).await.unwrap();
    })
    .await;
    let error = open(&url).await.unwrap_err();
    assert!(
        matches!(error, TerminalError::AuthUnsupported { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("pve-container 6.1.3") && text.contains("lease@pve!svc"),
        "{text}"
    );
    assert!(!format!("{error:?}").contains("PVEVNC"));
}

#[tokio::test]
async fn a_stream_that_is_not_a_terminals_is_a_broken_protocol() {
    for answer in [
        binary(b"NO"),
        vec![0xc2, 0],
        vec![0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let url = serve(move |mut stream| {
            let answer = answer.clone();
            async move {
                frame(&mut stream).await.unwrap();
                stream.write_all(&answer).await.unwrap();
                // Keeps the connection until the client gives up.
                let _ = stream.read_u8().await;
            }
        })
        .await;
        let error = open(&url).await.unwrap_err();
        assert!(matches!(error, TerminalError::Protocol(_)), "{error}");
    }
}

#[tokio::test]
async fn a_refused_upgrade_repeats_proxmoxs_text_without_the_ticket() {
    let mock = crate::mock::Mock::start(|_, seen| match seen.line.starts_with("POST") {
        true => crate::mock::MockResponse::json(&format!(
            r#"{{"data":{{"user":"lease@pve!svc","ticket":"{TICKET}","port":5900,"upid":"UPID:"}}}}"#
        )),
        false => crate::mock::MockResponse::status("403 Permission check failed (/vms/101, VM.Console)", ""),
    })
    .await;
    let error = open(&mock.url).await.unwrap_err();
    let TerminalError::Api(cause) = &error else {
        panic!("{error}")
    };
    let expected = pve::Refusal::Forbidden {
        path: "/vms/101".into(),
        privileges: vec!["VM.Console".into()],
    };
    assert_eq!(cause.refusal(), Some(&expected));
    assert!(!format!("{error:?} {error}").contains("PVEVNC"));
}
