//! OpenSSH's clients through the jump host, as the block for `~/.ssh/config` has it.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use pve_sim::{ShellMode, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::{TestApp, until},
};

/// A confined container, its owner, and a folder with an OpenSSH configuration.
pub struct Client {
    pub app: TestApp,
    pub session: SignedIn,
    pub ctid: u32,
    folder: tempfile::TempDir,
}

impl Client {
    pub async fn start() -> Self {
        let config = SimConfig {
            time_scale: 0.002,
            shell: ShellMode::Confined,
            ..SimConfig::default()
        };
        let sim = Sim::start(config).await.unwrap();
        let proxy = format!("socks5h://{}", sim.guest_proxy());
        let more = [("GUEST_SSH", "true"), ("GUEST_PROXY", proxy.as_str())];
        let app = TestApp::on(sim, &more).await;
        let buyer = Buyer::funded(&app, 1).await;
        let ctid = crate::guest::lease(&app, &buyer, "box").await;
        let session = buyer.sign_in(&app).await;
        let this = Self {
            app,
            session,
            ctid,
            folder: tempfile::tempdir().unwrap(),
        };
        until("SSH works", async || {
            let access = this.api(Method::GET, "access", None).await;
            (access.body == json!({"via": "ssh"})).then_some(())
        })
        .await;
        this
    }

    /// The owner asks something of the lease.
    pub async fn api(&self, method: Method, rest: &str, body: Option<Value>) -> Answer {
        let bearer = [("authorization", format!("Bearer {}", self.session.0))];
        let path = format!("/lease/{}/{rest}", self.ctid);
        call(&self.app, &method, &path, body.as_ref(), &bearer).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key and returns its public line.
    pub async fn make_key(&self, kind: &str) -> String {
        let key = self.path(&format!("id_{kind}"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "me@here", "-t", kind, "-f"])
            .arg(&key)
            .status();
        assert!(made.await.unwrap().success());
        std::fs::read_to_string(key.with_extension("pub")).unwrap()
    }

    /// Adds a key to the lease.
    pub async fn add(&self, line: &str) -> Value {
        let body = json!({ "publicKey": line });
        let added = self.api(Method::PUT, "ssh-keys", Some(body)).await;
        assert_eq!(added.status, 200, "{:?}", added.body);
        added.body
    }

    /// Writes the configuration that the API gives, with the ports of the test, and returns the
    /// container's name.
    pub async fn configure(&self, kind: &str) -> String {
        let told = self.api(Method::GET, "ssh", None).await;
        assert_eq!(told.status, 200, "{:?}", told.body);
        let at = self.app.jump_host;
        let given = "lease.example:2222";
        let config = told.body["config"].as_str().unwrap();
        assert!(
            config.contains(&format!("ProxyJump infra402@{given}\n")),
            "{config}"
        );
        let config = config.replace(given, &at.to_string());
        let known = told.body["knownHosts"].as_array().unwrap();
        assert!(known.len() >= 2, "{known:?}");
        let known: String = known
            .iter()
            .map(|line| {
                line.as_str().unwrap().replace(
                    "[lease.example]:2222",
                    &format!("[127.0.0.1]:{}", at.port()),
                ) + "\n"
            })
            .collect();
        std::fs::write(self.path("known_hosts"), known).unwrap();
        let both = format!(
            "Host *\n    IdentitiesOnly yes\n    IdentityFile {key}\n    UserKnownHostsFile {hosts}\n    \
             GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n    ConnectTimeout 20\n    \
             IdentityAgent none\n",
            key = self.path(&format!("id_{kind}")).display(),
            hosts = self.path("known_hosts").display(),
        );
        std::fs::write(self.path("config"), format!("{config}{both}")).unwrap();
        told.body["host"].as_str().unwrap().to_owned()
    }

    /// Runs one of OpenSSH's programs with that configuration.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.arg("-F").arg(self.path("config")).args(arguments);
        output(command).await
    }
}

/// A program's output within a deadline.
pub async fn output(mut command: Command) -> Output {
    command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = timeout(Duration::from_secs(60), command.output());
    output.await.expect("it ends in time").unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn openssh_gets_through_the_jump_host_to_its_own_container_only() {
    let client = Client::start().await;
    let line = client.make_key("ed25519").await;
    let name = client.configure("ed25519").await;
    // A key that no lease has is refused, and told why.
    let refused = client.run("ssh", &[&name, "true"]).await;
    let (_, told) = texts(&refused);
    assert_eq!(refused.status.code(), Some(255), "{told}");
    assert!(told.contains("ProxyCommand infra402 proxy"), "{told}");

    let added = client.add(&line).await;
    assert_eq!(
        (&added["type"], &added["jumpHost"]),
        (&json!("ssh-ed25519"), &json!(true))
    );
    let done = client
        .run("ssh", &[&name, "cat /etc/hostname; exit 9"])
        .await;
    assert_eq!(
        (texts(&done).0.trim(), done.status.code()),
        ("box", Some(9)),
        "{:?}",
        texts(&done)
    );
    let by_hostname = client.run("ssh", &["box", "echo there"]).await;
    assert_eq!(
        texts(&by_hostname).0,
        "there\n",
        "{:?}",
        texts(&by_hostname)
    );
    // Files, whole, by both protocols.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(client.path("up"), &content).unwrap();
    let (up, down) = (client.path("up"), client.path("down"));
    let remote = format!("{name}:/root/file");
    let copied = client
        .run("scp", &["-q", up.to_str().unwrap(), &remote])
        .await;
    assert!(copied.status.success(), "{:?}", texts(&copied));
    let back = client
        .run("scp", &["-q", &remote, down.to_str().unwrap()])
        .await;
    assert!(back.status.success() && down.exists(), "{:?}", texts(&back));
    assert!(std::fs::read(&down).unwrap() == content);
    // The jump host itself has no shell, and leads nowhere else.
    let jump = client.app.jump_host;
    let port = jump.port().to_string();
    let shell = client
        .run("ssh", &["-p", &port, "infra402@127.0.0.1", "id"])
        .await;
    assert_eq!(shell.status.code(), Some(1), "{:?}", texts(&shell));
    assert!(texts(&shell).1.contains("ssh -J"), "{:?}", texts(&shell));
    for elsewhere in [
        "127.0.0.1:22",
        "localhost:22",
        "0123456789ab:22",
        &format!("{name}:80"),
    ] {
        let through = ["-p", &port, "-W", elsewhere, "infra402@127.0.0.1"];
        let through = client.run("ssh", &through).await;
        assert!(!through.status.success(), "{elsewhere}");
        assert!(
            texts(&through).1.contains("prohibited"),
            "{elsewhere}: {:?}",
            texts(&through)
        );
    }
    // Without the key, the door is shut.
    let removed = client.api(Method::DELETE, "ssh-keys", None).await;
    assert_eq!(removed.status, 204, "{:?}", removed.body);
    let refused = client.run("ssh", &[&name, "true"]).await;
    assert_eq!(refused.status.code(), Some(255));
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn an_rsa_key_is_refused_at_the_jump_host_with_the_other_way() {
    let client = Client::start().await;
    let line = client.make_key("rsa").await;
    let added = client.add(&line).await;
    assert_eq!(
        (&added["type"], &added["jumpHost"]),
        (&json!("ssh-rsa"), &json!(false))
    );
    let name = client.configure("rsa").await;
    let refused = client.run("ssh", &[&name, "true"]).await;
    let (_, told) = texts(&refused);
    assert_eq!(refused.status.code(), Some(255), "{told}");
    assert!(told.contains("RSA key"), "{told}");
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn the_end_of_a_lease_cuts_ssh() {
    let client = Client::start().await;
    let line = client.make_key("ed25519").await;
    client.add(&line).await;
    let name = client.configure("ed25519").await;
    let mut command = Command::new("ssh");
    command.arg("-F").arg(client.path("config"));
    command.args([&name, "touch /root/here; sleep 600"]);
    let session = tokio::spawn(output(command));
    until("the command runs", async || {
        let about = client
            .api(Method::GET, "files?path=/root/here&about=true", None)
            .await;
        (about.status == 200).then_some(())
    })
    .await;
    let path = format!("/lease/{}", client.ctid);
    let ended = client
        .session
        .call(&client.app, Method::DELETE, &path)
        .await;
    assert!(ended.status.is_success(), "{:?}", ended.body);
    assert!(!session.await.unwrap().status.success());
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_name_that_is_taken_down_cuts_ssh_and_lets_nobody_in() {
    let client = Client::start().await;
    let line = client.make_key("ed25519").await;
    client.add(&line).await;
    let name = client.configure("ed25519").await;
    let mut command = Command::new("ssh");
    command.arg("-F").arg(client.path("config"));
    command.args([&name, "touch /root/here; sleep 600"]);
    let session = tokio::spawn(output(command));
    until("the command runs", async || {
        let about = client
            .api(Method::GET, "files?path=/root/here&about=true", None)
            .await;
        (about.status == 200).then_some(())
    })
    .await;
    let app = &client.app.app;
    let lease = app.store.lease_by_guest_name(&name).await.unwrap();
    assert!(app.store.take_name_down(&name, "abuse", 1).await.unwrap());
    // The operator's command is another process; connections would look by themselves later.
    app.guest_streams.changed(&lease.unwrap().lease_id);
    assert!(!session.await.unwrap().status.success());
    let refused = client.run("ssh", &[&name, "true"]).await;
    assert_eq!(refused.status.code(), Some(255), "{:?}", texts(&refused));
    let proxy = upgrade(&client).await;
    assert_eq!(
        (proxy.status.as_u16(), proxy.code()),
        (409, "lease_conflict")
    );
    assert!(app.store.put_name_up(&name).await.unwrap());
    let again = client.run("ssh", &[&name, "true"]).await;
    assert!(again.status.success(), "{:?}", texts(&again));
}

/// Asks for the WebSocket to the container's SSH server, where it is refused.
async fn upgrade(client: &Client) -> Answer {
    let headers = [
        ("authorization", format!("Bearer {}", client.session.0)),
        ("connection", "upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
    ];
    let path = format!("/lease/{}/proxy", client.ctid);
    call(&client.app, &Method::GET, &path, None, &headers).await
}
