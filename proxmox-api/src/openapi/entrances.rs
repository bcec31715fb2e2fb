//! The free routes about the ways for others into a container: published ports, and customers' SSH.

use api_types::{
    ErrorCode, ErrorCode::*, PortAccess, PortList, PortRequest, PortView, PortVisit, Secret,
    SshAccess, SshJumpHost, SshKeyList, SshKeyRequest, SshKeyView, Timestamp,
};
use serde_json::{Value, json};
use service::openapi::Endpoint;

use super::{
    examples,
    route_parts::{ABOUT_LEASE, WalletSession as _},
};

const NAME: &str = "4z9k2m7q0xwd";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDZ2Y4Q3mSJ6vS1j0b0zQK3o1n2q5yqkW8m7d0cX6m1G";
/// What all routes into the container by SSH can be refused for.
const ABOUT_SSH: &[ErrorCode] = &[SshUnavailable, HypervisorError, HypervisorUnavailable];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut all = ports();
    all.extend(ssh());
    all
}

fn route(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Endpoint {
    Endpoint::new(method, path, summary)
        .named("Entrances", id)
        .in_path(
            "lease",
            json!({"type": "string", "minLength": 1}),
            "The lease's id, or its container's number.",
        )
        .refuses(ABOUT_LEASE)
        .refuses(&[InvalidRequest])
        .with_session()
        .limited()
}

fn port_number() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 65535})
}

fn ports() -> Vec<Endpoint> {
    const NONE: &[ErrorCode] = &[NotFound];
    let url = format!("https://3000-{NAME}.apps.example.net/");
    let port = PortView {
        port: 3000,
        access: PortAccess::Link,
        url: url.clone(),
        link: Some(Secret::new(format!("{url}?infra402_access=l.TOKEN"))),
    };
    let list = PortList {
        ports: vec![port.clone()],
        taken_down: None,
    };
    let visit = PortVisit {
        url: Secret::new(format!("{url}?infra402_access=TICKET")),
        url_expires_at: Timestamp(examples::NOW + 120),
        token: Secret::new(format!("v{}.TOKEN", examples::NOW + 86_400)),
        token_expires_at: Timestamp(examples::NOW + 86_400),
    };
    let request = PortRequest {
        access: PortAccess::Link,
    };
    let one = "/lease/{lease}/ports/{port}";
    vec![
        route("GET", "/lease/{lease}/ports", "listPorts", "The published ports of a container")
            .responds(200, "The ports, by number.", &list)
            .refuses(NONE),
        route("PUT", one, "publishPort", "Publishes a port of a container")
            .details(
                "A server that listens on the port in the container, on its loopback too, gets an address of its own on the web: HTTP/1.1, \
                 event streams and WebSockets. `owner` is opened with `POST …/visit`, `link` by those who have the answer's `link`, \
                 `public` by everybody. A change of the access ends all links and cookies of before.",
            )
            .in_path("port", port_number(), "The port in the container.")
            .takes(&request)
            .body_may_be_absent()
            .responds(200, "The port is published.", &port)
            .refuses(NONE),
        route("DELETE", one, "closePort", "Closes a published port")
            .details("Open connections to it end. Asked again, it answers the same.")
            .in_path("port", port_number(), "The port in the container.")
            .responds_nothing(204, "It is not published."),
        route("POST", "/lease/{lease}/ports/{port}/visit", "visitPort", "A way for the owner to open a published port")
            .details(
                "The address is for a browser and good once, within two minutes; it sets a cookie and leads on. Programs send the token \
                 in the header `X-Infra402-Access`. Cookie and token are good for a day.",
            )
            .in_path("port", port_number(), "The port in the container.")
            .responds(200, "The address and the token.", &visit)
            .refuses(NONE),
    ]
}

fn ssh() -> Vec<Endpoint> {
    let view = SshKeyView {
        fingerprint: "SHA256:2w6oXl0ffVYIQ7qkPxLPpPFAbHuGrsNjaKVQqDGyQ0k".into(),
        kind: "ssh-ed25519".into(),
        comment: "me@here".into(),
        added_at: Timestamp(examples::NOW),
        jump_host: true,
    };
    let list = SshKeyList {
        keys: vec![view.clone()],
    };
    let request = SshKeyRequest {
        public_key: format!("{KEY} me@here"),
    };
    let access = SshAccess {
        host: NAME.into(),
        user: "root".into(),
        jump_host: Some(SshJumpHost {
            host: "lease.example.org".into(),
            port: 2222,
            host_key: KEY.into(),
        }),
        proxy_url: format!("wss://lease.example.org/lease/{}/proxy", examples::LEASE),
        proxy_command: format!(
            "infra402 --api https://lease.example.org proxy {}",
            examples::LEASE
        ),
        config: format!(
            "Host {NAME} box\n    HostName {NAME}\n    User root\n    HostKeyAlias {NAME}\n    ProxyJump infra402@lease.example.org:2222\n"
        ),
        known_hosts: vec![
            format!("{NAME} {KEY}"),
            format!("[lease.example.org]:2222 {KEY}"),
        ],
    };
    let keys = "/lease/{lease}/ssh-keys";
    vec![
        route("GET", keys, "listSshKeys", "The SSH keys of a lease")
            .responds(200, "The keys, the oldest first.", &list),
        route("PUT", keys, "addSshKey", "Adds an SSH key to a lease")
            .details(
                "It may log in as root of the container, and at the jump host, unless it is an RSA key. It is written into a marked block \
                 of /root/.ssh/authorized_keys; a key that is there already stays.",
            )
            .takes(&request)
            .responds(200, "The key may log in.", &view)
            .refuses(ABOUT_SSH),
        route("DELETE", keys, "removeSshKey", "Removes SSH keys of a lease")
            .details("Connections through the jump host by them end.")
            .in_query("fingerprint", json!({"type": "string"}), "The key; all of them if absent.")
            .responds_nothing(204, "They may not log in.")
            .refuses(ABOUT_SSH),
        route("GET", "/lease/{lease}/ssh", "readSsh", "How to reach a container with an SSH client")
            .details("`ssh`, `scp`, `sftp`, `rsync`, `-L`, `-D` and what builds on them work, end to end with the container's own SSH server.")
            .responds(200, "What a client has to know.", &access)
            .refuses(ABOUT_SSH),
        route("GET", "/lease/{lease}/proxy", "connectSsh", "A WebSocket to a container's SSH server")
            .details(
                "Carries the bytes of a connection to port 22 in binary messages, for `ProxyCommand`. It closes when either side ends, and \
                 with the lease.",
            )
            .responds_nothing(101, "The protocol is switched.")
            .refuses(ABOUT_SSH),
    ]
}
