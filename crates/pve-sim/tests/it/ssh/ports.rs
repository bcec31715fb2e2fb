//! Ports of a container: through the proxy, and through an SSH connection.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::place::{Place, TIMEOUT, Way, run};

/// A port that nothing else uses: the unconfined container has those of this machine.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts Python's web server inside, which outlives the command, and waits until it answers.
async fn serve_pages(place: &Place, port: u16) {
    let client = place.client().await;
    let script = format!(
        "mkdir -p pages && cd pages && echo hello >index.html && \
         (python3 -m http.server --bind 127.0.0.1 {port} </dev/null >/dev/null 2>&1 &)"
    );
    client.output(&script).await;
    let address = place.address_of(100).await;
    let deadline = std::time::Instant::now() + TIMEOUT;
    while place.dial(&address, port).await.1 != 0 {
        assert!(std::time::Instant::now() < deadline, "no server");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn get(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let read = tokio::time::timeout(TIMEOUT, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    text
}

async fn a_server_inside_is_reached_by_every_way(way: Way) {
    let place = Place::new(way).await;
    let port = free_port();
    serve_pages(&place, port).await;
    let address = place.address_of(100).await;
    let (stream, answer) = place.dial(&address, port).await;
    assert_eq!(answer, 0);
    assert!(get(stream).await.ends_with("hello\n"));

    let client = place.client().await;
    for host in ["localhost", "127.0.0.1"] {
        let channel = client
            .handle
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 1)
            .await;
        let text = get(channel.unwrap().into_stream()).await;
        assert!(text.ends_with("hello\n"), "{host}: {text}");
    }
    for (host, port) in [("10.0.0.1", port), ("example.org", 80), ("127.0.0.1", 1)] {
        let refused = client
            .handle
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 1)
            .await;
        assert!(refused.is_err(), "{host}:{port}");
    }
    if way != Way::Plain {
        // The container's loopback interface is its own.
        let here = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        assert!(here.is_err());
    }
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(not(has_python3), ignore = "needs Python 3 (Debian: python3)")]
async fn a_server_inside_is_reached_by_every_way_unconfined() {
    a_server_inside_is_reached_by_every_way(Way::Plain).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn a_server_inside_is_reached_by_every_way_in_namespaces() {
    a_server_inside_is_reached_by_every_way(Way::Namespaces).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
#[cfg_attr(
    all(has_bubblewrap, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn a_server_inside_is_reached_by_every_way_in_bubblewrap() {
    a_server_inside_is_reached_by_every_way(Way::Bubblewrap).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn opensshs_client_forwards_a_port() {
    let place = Place::new(Way::Plain).await;
    let (inside, outside) = (free_port(), free_port());
    serve_pages(&place, inside).await;
    let mut command = place.openssh("ssh").await;
    let forward = format!("{outside}:localhost:{inside}");
    command
        .args(["-N", "-o", "ExitOnForwardFailure=yes", "-L", &forward])
        .arg("root@127.0.0.1");
    let _forwards = command.spawn().unwrap();
    let deadline = std::time::Instant::now() + TIMEOUT;
    let stream = loop {
        match tokio::net::TcpStream::connect(("127.0.0.1", outside)).await {
            Ok(stream) => break stream,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(get(stream).await.ends_with("hello\n"));
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(not(has_curl), ignore = "needs curl (Debian: curl)")]
#[cfg_attr(
    all(has_curl, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn curl_reaches_a_server_inside() {
    let place = Place::new(Way::Plain).await;
    let port = free_port();
    serve_pages(&place, port).await;
    let address = place.address_of(100).await;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--socks5-hostname"])
        .arg(place.node.sim.guest_proxy().to_string())
        .arg(format!("http://{address}:{port}/"));
    let output = run(curl, b"").await;
    assert_eq!(output.stdout, b"hello\n", "{output:?}");
    place.node.sim.stop().await;
}

#[tokio::test]
async fn the_proxy_says_why_it_leads_nowhere() {
    let place = Place::new(Way::Plain).await;
    let address = place.address_of(100).await;
    // A port on which nothing listens, an address that no container has, and the world outside.
    for (host, port, answer) in [
        (address.as_str(), free_port(), 5),
        ("10.200.1.1", 22, 4),
        ("no-such-name", 22, 4),
        ("127.0.0.1", 22, 2),
        ("192.168.1.10", 8006, 2),
        ("169.254.169.254", 80, 2),
        ("::1", 22, 2),
    ] {
        assert_eq!(place.dial(host, port).await.1, answer, "{host}:{port}");
    }
    place.power("stop").await;
    assert_eq!(place.dial(&address, 22).await.1, 4, "it is stopped");
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_static_address_and_a_claimed_one_lead_to_their_container() {
    let place = Place::new(Way::Plain).await;
    let net = [
        ("net0", "name=eth0,bridge=vmbr0,ip=10.3.0.7/16"),
        ("hostname", "web"),
    ];
    let create = place.node.create(101, &net).await;
    assert_eq!(place.node.finish(&create).await, "OK");
    let start = place
        .node
        .call("POST", "/nodes/pve/lxc/101/status/start", &[])
        .await;
    assert_eq!(place.node.finish(&start).await, "OK");
    let own = place.host_key_of(100).await;
    let other = place.host_key_of(101).await;
    assert_eq!(place.address_of(101).await, "10.3.0.7");
    assert_ne!(own, other);

    place.node.sim.claim_address(100, Some("10.3.0.7/16"));
    assert_eq!(place.address_of(100).await, "10.3.0.7");
    assert_eq!(
        place.host_key_at("10.3.0.7").await,
        other,
        "the owner answers"
    );
    place.node.sim.claim_address(100, Some("10.0.0.1/8"));
    assert_eq!(
        place.host_key_at("10.0.0.1").await,
        own,
        "nobody else has it"
    );
    place.node.sim.claim_address(100, Some("127.0.0.1/8"));
    let answer = place.dial("127.0.0.1", 22).await.1;
    assert_eq!(answer, 2, "the host's loopback interface is out of reach");
    place.node.sim.stop().await;
}
