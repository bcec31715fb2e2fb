//! OpenSSH's clients and the real service, by the two ways into a container: this program as their
//! `ProxyCommand`, and the jump host.

use std::{fs, net::TcpListener, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    life::tenant,
    market::{Market, until},
    ports::{PAGE, serve_page},
    program::{Program, Ran, ended},
};

/// The most that one of the programs may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Connections that a lease may have at a time.
const MOST_CONNECTIONS: usize = 8;

/// Runs one of OpenSSH's programs, or another one, in the customer's folder.
async fn run(program: &Program, words: &[&str]) -> Ran {
    let ran = ended(command(program, words));
    timeout(DEADLINE, ran).await.expect("it ends in time")
}

fn command(program: &Program, words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(program.folder.path())
        .env("INFRA402_KEY", program.key())
        .env("INFRA402_STATE", program.path("state"))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn large() -> Vec<u8> {
    (0..2_000_000_u32)
        .map(|number| (number % 253) as u8)
        .collect()
}

/// Writes the block that `infra402 ssh --config` prints, as `config`.
async fn write_config(program: &Program) {
    let block = program.text(&["ssh", "--config", "box"]).await;
    program.write("config", block);
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn ssh_ends_with_the_status_of_its_command_and_files_come_back_as_they_were() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    let ran = program.run(&["ssh", "box", "true"]).await;
    assert_eq!((ran.status, ran.text().as_str()), (0, ""), "{}", ran.stderr);
    let command = "cat /etc/hostname; cat; echo wrong >&2; exit 7";
    let ran = program.fed(&["ssh", "box", command], b"in\0\xff").await;
    assert_eq!(
        (ran.status, ran.stdout.as_slice()),
        (7, &b"box\nin\0\xff"[..]),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("wrong"), "{}", ran.stderr);

    write_config(&program).await;
    let content = large();
    program.write("large", &content);
    for copy in [
        ["scp", "-q", "-F", "config", "large", "box:/root/by-scp"],
        ["scp", "-q", "-F", "config", "box:/root/by-scp", "scp-back"],
    ] {
        run(&program, &copy).await.ok();
    }
    let batch = "put large /root/by-sftp\nget /root/by-sftp sftp-back\nrm /root/by-sftp\n";
    program.write("batch", batch);
    run(
        &program,
        &["sftp", "-q", "-F", "config", "-b", "batch", "box"],
    )
    .await
    .ok();
    for back in ["scp-back", "sftp-back"] {
        assert!(fs::read(program.path(back)).unwrap() == content, "{back}");
    }
    let listed = program.text(&["ssh", "box", "ls /root"]).await;
    assert_eq!(listed, "by-scp\n");
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_confined_shells, has_ssh_client, not(has_rsync)),
    ignore = "needs rsync (Debian: rsync)"
)]
async fn rsync_carries_a_folder_both_ways_and_changes_only() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    write_config(&program).await;
    program.write("tree/large", large());
    program.write("tree/deep/note", "one");
    let up = [
        "rsync",
        "-a",
        "--delete",
        "-e",
        "ssh -F config",
        "tree/",
        "box:/srv/tree/",
    ];
    run(&program, &up).await.ok();
    program.write("tree/deep/note", "other");
    fs::remove_file(program.path("tree/large")).unwrap();
    run(&program, &up).await.ok();
    let down = [
        "rsync",
        "-a",
        "-e",
        "ssh -F config",
        "box:/srv/tree/",
        "back/",
    ];
    run(&program, &down).await.ok();
    let (back, tree) = (program.path("back"), program.path("tree"));
    assert_eq!(crate::program::tree(&back), crate::program::tree(&tree));
}

/// Asks with curl until the page is there.
async fn until_page(program: &Program, way: &[&str]) {
    let words = [&["curl", "-s", "--noproxy", ""], way].concat();
    until("curl has the page", async || {
        let ran = run(program, &words).await;
        (ran.status == 0 && ran.text() == PAGE).then_some(())
    })
    .await;
}

/// Ends a forwarding as a user does, by a signal.
async fn interrupt(mut ssh: Child) {
    ssh.kill().await.unwrap();
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_confined_shells, has_ssh_client, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
#[cfg_attr(
    all(has_confined_shells, has_ssh_client, has_python3, not(has_curl)),
    ignore = "needs curl (Debian: curl)"
)]
async fn a_web_server_inside_is_reached_by_forwarded_ports() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    serve_page(&program).await;
    let socket = program.path("forwarded").display().to_string();
    let forward = format!("{socket}:localhost:8080");
    let local = program
        .command(&["ssh", "box", "-N", "-L", &forward])
        .spawn()
        .unwrap();
    until_page(
        &program,
        &["--unix-socket", &socket, "http://localhost:8080/"],
    )
    .await;
    interrupt(local).await;

    // The name is the container's: nothing on this machine listens on its port.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = free.local_addr().unwrap().to_string();
    drop(free);
    let dynamic = program
        .command(&["ssh", "box", "-N", "-D", &at])
        .spawn()
        .unwrap();
    until_page(
        &program,
        &["--socks5-hostname", &at, "http://localhost:8080/"],
    )
    .await;
    interrupt(dynamic).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_proxy_command_whose_input_ends_first_ends_and_frees_its_connection() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    // More than may be open at a time: one that stays open keeps a later one out.
    for _ in 0..=MOST_CONNECTIONS {
        let (mut proxy, said) = proxy(&program).await;
        assert!(said.starts_with("SSH-2.0-"), "{said:?}");
        drop(proxy.stdin.take());
        let ended = timeout(DEADLINE, proxy.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(0));
    }
    let ran = ended(program.command(&["proxy", "box"]));
    let ran = timeout(DEADLINE, ran).await.unwrap();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // A lease that is over ends it, too, although its input is open.
    let (mut proxy, _) = proxy(&program).await;
    program.text(&["rm", "box"]).await;
    let ended = timeout(DEADLINE, proxy.wait()).await;
    assert!(ended.is_ok(), "it ends with the lease");
}

/// A `ProxyCommand` that is connected, and what the container's server said first.
async fn proxy(program: &Program) -> (Child, String) {
    let mut command = program.command(&["proxy", "box"]);
    let mut proxy = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut said = vec![0; 256];
    let output = proxy.stdout.as_mut().unwrap();
    let length = timeout(DEADLINE, output.read(&mut said)).await.unwrap();
    said.truncate(length.unwrap());
    (proxy, String::from_utf8(said).unwrap())
}

/// Writes what the service says of the way in, as it is, with the key that logs in.
async fn write_told(program: &Program, key: &Path) -> String {
    let leases = program.json(&["ls"]).await;
    let id = leases["leases"][0]["leaseId"].as_str().unwrap();
    let told = program
        .json(&["call", "GET", &format!("/lease/{id}/ssh")])
        .await;
    let lines = told["knownHosts"].as_array().unwrap().iter();
    let lines: Vec<_> = lines.filter_map(Value::as_str).collect();
    let hosts = program.write("known_hosts", lines.join("\n") + "\n");
    let config = format!(
        "{}Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  ConnectTimeout 20\n",
        told["config"].as_str().unwrap(),
        key.display(),
        hosts.display()
    );
    program.write("told", config);
    told["host"].as_str().unwrap().to_owned()
}

/// Makes a key and leases a container that takes it.
async fn lease_with_key(market: &Market) -> Program {
    let program = market.customer(1).await;
    let keygen = ["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", "own"];
    run(&program, &keygen).await.ok();
    let lease = ["lease", "box", "-m", "30", "--ssh-key", "own.pub"];
    program.json(&lease).await;
    // Waits until SSH works.
    program.text(&["commands", "ls", "box"]).await;
    program
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_key_of_the_lease_gets_through_the_jump_host_by_the_block_that_the_service_gives() {
    let market = Market::with_ssh().await;
    let program = lease_with_key(&market).await;
    let name = write_told(&program, &program.path("own")).await;
    for host in [name.as_str(), "box"] {
        let ran = run(&program, &["ssh", "-F", "told", host, "cat /etc/hostname"]).await;
        assert_eq!(ran.ok().text(), "box\n");
    }
    let ran = run(&program, &["ssh", "-F", "told", &name, "exit 9"]).await;
    assert_eq!(ran.status, 9, "{}", ran.stderr);
    let content = large();
    program.write("large", &content);
    let there = format!("{name}:/root/there");
    for (from, to) in [("large", there.as_str()), (there.as_str(), "back")] {
        run(&program, &["scp", "-q", "-F", "told", from, to])
            .await
            .ok();
    }
    assert!(fs::read(program.path("back")).unwrap() == content);
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn without_a_jump_host_the_block_that_the_service_gives_starts_this_program() {
    let market = Market::with_ssh_and(&[("SSH_PORT", "0")]).await;
    let program = lease_with_key(&market).await;
    let name = write_told(&program, &program.path("own")).await;
    // The block has the bare name of this program.
    let ours = Path::new(env!("CARGO_BIN_EXE_infra402")).parent().unwrap();
    let inherited = std::env::var("PATH").unwrap();
    let mut ssh = command(&program, &["ssh", "-F", "told", &name, "cat /etc/hostname"]);
    ssh.env("PATH", format!("{}:{inherited}", ours.display()));
    let ran = timeout(DEADLINE, ended(ssh)).await.unwrap();
    assert_eq!(ran.ok().text(), "box\n");
}
