//! Programs of the host find what they need where a container looks for it.

use super::{Confinement, Path, inside};

test_in_each_confinement! {
    ip: not(has_ip), ignore = "needs ip (Debian: iproute2)";
    ping: not(has_ping), ignore = "needs ping (Debian: iputils-ping)";
    curl: not(has_curl), ignore = "needs curl (Debian: curl)";
    vi: not(has_vi), ignore = "needs vi (Debian: vim)";
    nano: not(has_nano), ignore = "needs nano (Debian: nano)";
    less: not(has_less), ignore = "needs less (Debian: less)";
    python3: not(has_python3), ignore = "needs Python 3 (Debian: python3)";
    openssl: not(has_openssl), ignore = "needs OpenSSL (Debian: openssl)";
    certificates: not(has_certificates),
        ignore = "needs certificates of public authorities (Debian: ca-certificates)";
}

/// Runs a script, whose output has to contain a text.
async fn shows(way: Confinement, root: &Path, script: &str, text: &str) {
    let shown = inside(way, root, script).await;
    assert!(shown.contains(text), "{script}: {shown}");
}

async fn ip(way: Confinement, root: &Path) {
    shows(way, root, "ip addr", "inet 127.0.0.1/8").await;
}

async fn ping(way: Confinement, root: &Path) {
    shows(way, root, "ping -c1 -W1 192.0.2.1 2>&1", "unreachable").await;
}

async fn curl(way: Confinement, root: &Path) {
    let named = "curl -sS https://example.com 2>&1";
    shows(way, root, named, "Could not resolve host").await;
    let numbered = "curl -sS http://192.0.2.1 2>&1";
    shows(way, root, numbered, "Couldn't connect to server").await;
}

async fn vi(way: Confinement, root: &Path) {
    let script = "vi -es -c 'normal ihello' -c 'wq! f' </dev/null; cat f";
    shows(way, root, script, "hello").await;
}

async fn nano(way: Confinement, root: &Path) {
    shows(way, root, "nano --version", "nano").await;
}

async fn less(way: Confinement, root: &Path) {
    shows(way, root, "echo text | less", "text").await;
}

async fn python3(way: Confinement, root: &Path) {
    let modules = "python3 -c 'import json, sqlite3, ssl; print(\"fine\")' 2>&1";
    shows(way, root, modules, "fine").await;
    let services = "python3 -c 'import socket; print(socket.getservbyname(\"https\"))' 2>&1";
    shows(way, root, services, "443").await;
}

async fn openssl(way: Confinement, root: &Path) {
    shows(way, root, "openssl version -d", "OPENSSLDIR").await;
}

async fn certificates(way: Confinement, root: &Path) {
    let script = "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt";
    let count: u32 = inside(way, root, script).await.parse().unwrap();
    assert!(count > 10, "{count} certificates");
}
