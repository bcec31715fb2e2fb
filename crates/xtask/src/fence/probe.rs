//! The processes in a namespace of the lab: a server that answers with its name, or one probe.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::exit;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long a probe waits. A path takes microseconds, so this is for a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_millis(900);

/// Serves the name on each port of a list such as `22 80 udp:9.9.9.9:53`, until the lab ends. A UDP
/// server needs the address, since it would answer from the first one otherwise.
pub fn serve(name: &str, ports: &[&str]) -> Result<()> {
    for port in ports {
        let udp = port.strip_prefix("udp:");
        let address = udp.map_or_else(|| format!("[::]:{port}"), str::to_owned);
        let address: SocketAddr = address.parse()?;
        let name = name.to_owned();
        if udp.is_some() {
            let socket = UdpSocket::bind(address).with_context(|| format!("port {port}"))?;
            thread::spawn(move || {
                let mut asked = [0; 64];
                while let Ok((_, from)) = socket.recv_from(&mut asked) {
                    let _ = socket.send_to(name.as_bytes(), from);
                }
            });
        } else {
            let listener = TcpListener::bind(address).with_context(|| format!("port {port}"))?;
            thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let _ = stream.write_all(name.as_bytes());
                }
            });
        }
    }
    println!("ready");
    loop {
        thread::park();
    }
}

/// Prints the text of each datagram that comes to the port.
pub fn receive(port: &str) -> Result<()> {
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}"))?;
    println!("ready");
    let mut text = [0; 64];
    loop {
        let (length, _) = socket.recv_from(&mut text)?;
        println!("{}", String::from_utf8_lossy(&text[..length]));
    }
}

/// Exits with 0 if the server of that name answers at the address over TCP, else with 1.
pub fn tcp(address: &str, name: &str) -> Result<()> {
    let answer = || -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&address.parse()?, PROBE_TIMEOUT)?;
        stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ended(answer().is_ok_and(|answer| answer == name))
}

/// Exits with 0 if the server of that name answers at the address over UDP, else with 1.
pub fn udp(address: &str, name: &str) -> Result<()> {
    let answer = || -> Result<bool> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(PROBE_TIMEOUT))?;
        socket.send_to(b"?", address)?;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer)?;
        Ok(&answer[..length] == name.as_bytes())
    };
    ended(answer().unwrap_or(false))
}

/// Sends a datagram from an address that the namespace has.
pub fn send(source: &str, address: &str, text: &str) -> Result<()> {
    let socket = UdpSocket::bind(format!("{source}:0"))?;
    socket.send_to(text.as_bytes(), address)?;
    Ok(())
}

/// The first port of a flood, and how many connections it makes: more than the table allows one
/// tenant.
const FIRST_PORT: u16 = 20_000;
const FLOOD: u16 = 2100;

/// Makes connections to a closed port, each from a port of its own, and one more that carries the
/// text.
pub fn flood(source: &str, address: &str, text: &str) -> Result<()> {
    let to: SocketAddr = address.parse()?;
    for port in FIRST_PORT..FIRST_PORT + FLOOD {
        let socket = UdpSocket::bind(format!("{source}:{port}"))?;
        // The sender gets no error for a datagram that the table drops.
        socket.send_to(b"?", (to.ip(), to.port() - 1))?;
    }
    send(source, address, text)
}

fn ended(open: bool) -> Result<()> {
    exit(i32::from(!open))
}
