//! A connection that sends prepared bytes and reads answers, so that the client needs little
//! processor time beside the service that is measured.

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

pub struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

/// As much of an answer as the bench reads.
pub struct RawResponse<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
            line: String::new(),
            body: Vec::new(),
        }
    }

    /// Sends a whole request and reads the whole answer. The connection stays open, so the answer
    /// must have its length.
    pub async fn ask(&mut self, request: &[u8]) -> RawResponse<'_> {
        self.stream.write_all(request).await.unwrap();
        let first = self.line().await;
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = None;
        loop {
            let line = self.line().await;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().unwrap());
            }
        }
        self.body.resize(length.unwrap(), 0);
        self.stream.read_exact(&mut self.body).await.unwrap();
        RawResponse {
            status,
            body: &self.body,
        }
    }

    async fn line(&mut self) -> &str {
        self.line.clear();
        self.stream.read_line(&mut self.line).await.unwrap();
        assert!(self.line.ends_with("\r\n"), "the service hung up");
        self.line.trim_end()
    }
}
