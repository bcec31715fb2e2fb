//! The whole life of a container over SSH: files in and out, commands in the background, the end.

use std::{fs, os::unix::fs::PermissionsExt as _};

use pve_sim::SshDefects;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    market::{Market, until},
    program::{Program, tree},
};

/// The number of the first container.
const FIRST_NUMBER: u32 = 40_200;

/// A customer with a container that is reached over SSH.
pub async fn tenant(market: &Market) -> Program {
    let program = market.customer(1).await;
    program.json(&["lease", "box", "-m", "30"]).await;
    let lease = program.json(&["ls"]).await["leases"][0]["leaseId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/lease/{lease}/access");
    until("SSH works", async || {
        let access = program.json(&["call", "GET", &path]).await;
        (access == json!({"via": "ssh"})).then_some(())
    })
    .await;
    program
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_container_is_leased_worked_in_and_destroyed() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    let ran = program
        .fed(
            &[
                "exec",
                "-i",
                "-w",
                "/srv",
                "-e",
                "A=1",
                "box",
                "pwd; echo $A; cat",
            ],
            b"in\xff",
        )
        .await;
    assert_eq!(
        (ran.status, ran.stdout.as_slice()),
        (0, &b"/srv\n1\nin\xff"[..]),
        "{}",
        ran.stderr
    );

    // Into the container, and out again.
    program.write("site/index.html", "<h1>hello</h1>");
    let script = program.write("site/bin/run me", "#!/bin/sh\necho ran\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    program.write("site/large", &large);
    fs::create_dir(program.path("site/empty")).unwrap();
    let copied = program.json(&["cp", "./site", "box:/srv"]).await;
    assert_eq!(
        (&copied["files"], &copied["skipped"]),
        (&json!(3), &json!([])),
        "{copied}"
    );
    assert_eq!(
        program
            .text(&["exec", "box", "'/srv/site/bin/run me'"])
            .await,
        "ran\n"
    );
    let digest = program
        .text(&["exec", "box", "sha256sum < /srv/site/large"])
        .await;
    let out = program
        .json(&["cp", "--check", "box:/srv/site", "back"])
        .await;
    assert_eq!(
        (&out["files"], &out["checked"]),
        (&json!(3), &json!(true)),
        "{out}"
    );
    assert_eq!(tree(&program.path("back")), tree(&program.path("site")));
    let mode = fs::metadata(program.path("back/bin/run me"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    // A second copy goes below the directory that is there now.
    program
        .text(&["cp", "box:/srv/site/large", "back/bin"])
        .await;
    assert_eq!(fs::read(program.path("back/bin/large")).unwrap(), large);
    let ran = program.fed(&["cp", "-", "box:/srv/piped"], &large).await;
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(
        program
            .text(&["exec", "box", "sha256sum < /srv/piped"])
            .await,
        digest
    );
    assert_eq!(
        program
            .run(&["cp", "box:/srv/piped", "-"])
            .await
            .ok()
            .stdout,
        large
    );
    let missing = program.run(&["cp", "box:/srv/none", "here"]).await;
    assert_eq!(missing.status, 3, "{}", missing.stderr);

    // In the background.
    let id = program
        .text(&[
            "exec",
            "-d",
            "box",
            "echo begun; read line < /srv/fifo; echo $line >&2",
        ])
        .await;
    let id = id.trim();
    assert!(program.text(&["commands", "ls", "box"]).await.contains(id));
    assert_eq!(program.text(&["logs", "box", id]).await, "begun\n");
    let follow = program.command(&["logs", "-f", "box"]).spawn().unwrap();
    program
        .text(&["exec", "box", "mkfifo /srv/fifo 2>/dev/null; true"])
        .await;
    let ended = follow.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "begun\n");
    let id = program
        .text(&["exec", "-d", "box", "exec sleep 1000"])
        .await;
    program
        .text(&["commands", "kill", "box", id.trim(), "-s", "KILL"])
        .await;
    until("the command is ended", async || {
        let listed = program.json(&["commands", "ls", "box"]).await;
        let commands = listed["commands"].as_array().unwrap();
        let killed = commands
            .iter()
            .find(|command| command["commandId"] == id.trim());
        (killed.unwrap()["exitCode"] == 137).then_some(())
    })
    .await;

    let before = program.json(&["ls"]).await["leases"][0]["expiresAt"].clone();
    program.text(&["renew", "box", "-m", "10"]).await;
    assert_ne!(
        program.json(&["ls"]).await["leases"][0]["expiresAt"],
        before
    );
    // What a stop leaves behind, and what is advised then.
    let command = "echo begun; exec sleep 1000";
    let id = program.text(&["exec", "-d", "box", command]).await;
    assert!(program.text(&["stop", "box"]).await.contains("stopped"));
    for arguments in [&["exec", "box", "true"][..], &["cp", "box:/srv/piped", "-"]] {
        let off = program.run(arguments).await;
        assert_eq!(off.status, 1, "{}", off.stderr);
        let advice = "next: start it: infra402 start box\n";
        assert!(off.stderr.contains(advice), "{}", off.stderr);
    }
    assert!(program.text(&["start", "box"]).await.contains("running"));
    let lost = until("the outputs can be read", async || {
        let ran = program.run(&["logs", "box", id.trim()]).await;
        (ran.status == 0).then_some(ran)
    });
    let lost = lost.await;
    assert_eq!(lost.stdout, b"begun\n");
    assert!(
        lost.stderr.starts_with("the command is lost: "),
        "{}",
        lost.stderr
    );
    assert!(
        program
            .text(&["payments"])
            .await
            .contains("POST /lease/container")
    );
    assert_eq!(program.text(&["rm", "box", "box"]).await, "destroyed box\n");
    assert_eq!(program.json(&["ls"]).await, json!({"leases": []}));
    assert_eq!(program.run(&["exec", "box", "true"]).await.status, 3);
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn what_needs_ssh_waits_for_a_container_that_still_starts() {
    let market = Market::with_ssh().await;
    let program = market.customer(1).await;
    let defects = |no_server| {
        let defects = SshDefects {
            no_server,
            ..SshDefects::default()
        };
        market.sim.set_ssh_defects(FIRST_NUMBER, defects);
    };
    defects(true);
    let lease = program.json(&["lease", "box", "-m", "30"]).await;
    assert_eq!(lease["ctid"], FIRST_NUMBER);
    let mut command = program.command(&["cp", "box:/etc/hostname", "-"]);
    let mut copying = command.spawn().unwrap();
    let mut lines = BufReader::new(copying.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap_or_default();
    assert!(line.contains("waiting until its SSH server"), "{line}");
    defects(false);
    let copied = copying.wait_with_output().await.unwrap();
    assert_eq!(
        (copied.status.code(), copied.stdout.as_slice()),
        (Some(0), &b"box\n"[..])
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn links_and_pipes_are_named_and_left_out() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    program.write("tree/file", "content");
    std::os::unix::fs::symlink("file", program.path("tree/link")).unwrap();
    std::os::unix::fs::symlink("..", program.path("tree/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", program.path("tree/broken")).unwrap();
    let ran = program.run(&["--json", "cp", "tree/", "box:/srv/in"]).await;
    let (copied, skipped) = (ran.document(), ran.document()["skipped"].to_string());
    assert_eq!((ran.status, &copied["files"]), (1, &json!(2)), "{copied}");
    assert!(
        skipped.contains("loop: a symbolic link to a directory") && skipped.contains("broken"),
        "{skipped}"
    );
    let made = "cd /srv/in && ln -s / loop && ln -s nowhere broken && mkfifo pipe && mkdir deep && ln -s ../file deep/up";
    program.text(&["exec", "box", made]).await;
    let ran = program.run(&["--json", "cp", "box:/srv/in", "out"]).await;
    assert_eq!(
        (ran.status, &ran.document()["files"]),
        (1, &json!(3)),
        "{}",
        ran.text()
    );
    let names: Vec<_> = tree(&program.path("out"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["deep", "deep/up", "file", "link"]);
}
