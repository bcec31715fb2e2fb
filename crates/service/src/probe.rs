//! The command `health` of every service: requests `/health` from the running service on the same
//! machine. A container's health check runs it, so that the image needs no other program.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::env::{Env, schema::Schema};

/// The timeout of the connection and that of the response.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks the service at the `BIND` and `PORT` of this schema. It prints a problem and nothing
/// else.
///
/// # Panics
/// The schema has no `BIND` and `PORT`, which is a bug.
pub fn run(env: Env, schema: &'static Schema) -> ExitCode {
    let mut env = env.for_schema(schema);
    let variable = |name| {
        let mut all = schema.variables();
        all.find(|known| known.name == name)
            .expect("every service declares where it listens")
    };
    let (bind, port): (IpAddr, u16) = (env.read(variable("BIND")), env.read(variable("PORT")));
    if let Err(problems) = env.finish() {
        eprintln!("{problems}");
        return ExitCode::FAILURE;
    }
    let address = reachable(SocketAddr::new(bind, port));
    match ask(address, PROBE_TIMEOUT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} at {address} is not healthy: {error}", schema.service);
            ExitCode::FAILURE
        }
    }
}

/// The local address of a service that listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(address: SocketAddr, timeout: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    // One write, because a service that responds after the first of several writes and closes would
    // reset the rest.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    if status == *b"HTTP/1.1 200" {
        return Ok(());
    }
    let status = String::from_utf8_lossy(&status).into_owned();
    Err(io::Error::other(format!("it answers {status}")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::env::schema::{Group, Variable};

    static BIND: Variable = Variable::with_default("BIND", "0.0.0.0", "Where it listens.");
    static PORT: Variable = Variable::with_default("PORT", "80", "The port.");
    static SCHEMA: Schema = Schema {
        service: "one",
        groups: &[&Group {
            title: "Server",
            variables: &[&BIND, &PORT],
        }],
        gone: &[],
    };

    /// Checks a server on a free port that sends one response, or hangs up if it is empty.
    fn verdict(answer: &'static str) -> ExitCode {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let verdict = run(Env::from_map([("PORT", port.to_string())]), &SCHEMA);
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
        verdict
    }

    #[test]
    fn a_service_is_healthy_only_if_it_responds_so() {
        let fine = verdict("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(fine, ExitCode::SUCCESS);
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP", ""] {
            assert_eq!(verdict(answer), ExitCode::FAILURE, "{answer}");
        }
    }

    #[test]
    fn an_unused_port_and_an_invalid_port_are_not_healthy() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        for port in [port.as_str(), "many"] {
            let env = Env::from_map([("PORT", port)]);
            assert_eq!(run(env, &SCHEMA), ExitCode::FAILURE, "{port}");
        }
    }

    #[test]
    fn a_service_that_listens_on_all_addresses_is_checked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
