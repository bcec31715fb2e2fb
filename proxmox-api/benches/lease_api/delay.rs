//! A proxy that delays requests as a network to another machine does.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Starts a proxy to the port `to` on this machine, and returns its port. Requests are delayed by
/// `delay`, answers are not. It ends with the process.
pub fn before(to: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let (answers, asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            pass(client, server, delay);
            pass(answers, asker, Duration::ZERO);
        }
    });
    port
}

/// Copies bytes from one stream to the other, each read delayed by `delay`.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (queue, parts) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let part = (Instant::now() + delay, buffer[..length].to_vec());
            if queue.send(part).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, part) in parts {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&part).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
