//! A server that follows a script, one step for each request, and records its requests. It handles
//! HTTP by hand, because server libraries cannot produce these faults.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The step for one request.
pub enum Step {
    /// Answer with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Read the request and close the connection.
    HangUp,
    /// Answer with a 402, promise more of it than is sent, then close the connection.
    Truncate,
}

/// A request as it arrived: the head with names in lower case, and the body.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub struct Scripted {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/thing", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            for step in script {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read(&mut socket).await;
                record.lock().unwrap().push(request);
                act(&mut socket, step).await;
            }
        });
        Self { url, seen, task }
    }

    /// The requests; all steps of the script must have been used.
    pub async fn finish(self) -> Vec<Seen> {
        let deadline = std::time::Duration::from_secs(5);
        tokio::time::timeout(deadline, self.task)
            .await
            .expect("the script was not played to its end")
            .unwrap();
        self.seen.lock().unwrap().clone()
    }
}

async fn read(socket: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let seen = Seen {
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length = seen
                .header("content-length")
                .map_or(0, |l| l.parse().unwrap());
            if body.len() >= length {
                return seen;
            }
        }
        let count = socket.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the client hung up within its request");
        bytes.extend_from_slice(&chunk[..count]);
    }
}

async fn act(socket: &mut TcpStream, step: Step) {
    let answer = match step {
        Step::HangUp => return,
        Step::Truncate => "HTTP/1.1 402 X\r\ncontent-length: 100\r\n\r\n{\"half".to_owned(),
        Step::Answer(status, headers, body) => {
            let headers: String = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )
        }
    };
    // The client may have disconnected already.
    let _ = socket.write_all(answer.as_bytes()).await;
    let _ = socket.shutdown().await;
}
