//! The form of what is printed: JSON documents, errors, statuses.

use serde_json::Value;

use crate::{
    market::Market,
    program::{Program, ended},
};

#[tokio::test]
async fn every_command_prints_one_json_document() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let lease = program.json(&["lease", "box", "-m", "30"]).await;
    let id = lease["leaseId"].as_str().unwrap();
    for (arguments, member) in [
        (&["quote", "--size", "2/1G/16G"][..], "/price/total"),
        (&["ls"], "/leases/0/leaseId"),
        (&["exec", "box", "echo", "hello"], "/stdout"),
        (&["renew", id, "-m", "5"], "/expiresAt"),
        (&["stop", "box"], "/leaseId"),
        (&["start", "box"], "/leaseId"),
        (&["payments"], "/payments/0/paymentId"),
        (&["wallet"], "/playMoney"),
        (&["call", "GET", "/catalog"], "/templates/0/name"),
        (&["call", "get", "/leases"], "/leases/0/leaseId"),
        (&["call", "GET", "/management/list"], "/leases/0/leaseId"),
        (&["completions", "bash"], "/script"),
        (&["rm", "box"], "/leases/0/status"),
    ] {
        let document = program.json(arguments).await;
        assert!(
            document.pointer(member).is_some_and(Value::is_string),
            "{arguments:?}: {document}"
        );
    }
    // Over the terminal there are no files and no background; that is a document, too.
    program.json(&["lease", "box", "-m", "30"]).await;
    for (arguments, status, code) in [
        (&["cp", "box:/etc/hostname", "x"][..], 1, "ssh_unavailable"),
        (&["exec", "-d", "box", "sleep", "1"], 1, "ssh_unavailable"),
        (&["logs", "box"], 1, "ssh_unavailable"),
        (&["commands", "ls", "box"], 1, "ssh_unavailable"),
        (&["commands", "kill", "box", "x"], 1, "ssh_unavailable"),
        (&["proxy", "box"], 2, "usage"),
        (&["stop", "nobody"], 3, "container_not_found"),
        (&["lease", "-m", "0"], 1, "invalid_request"),
        (&["cp", "a", "b"], 2, "usage"),
        (&["call", "GET", "/nowhere"], 3, "not_found"),
        (&["renew"], 2, "usage"),
        (&["--max-price", "x", "ls"], 2, "usage"),
    ] {
        let with_json: Vec<_> = std::iter::once("--json")
            .chain(arguments.iter().copied())
            .collect();
        let ran = program.run(&with_json).await;
        assert_eq!(
            (ran.status, ran.text().as_str()),
            (status, ""),
            "{arguments:?}: {}",
            ran.stderr
        );
        let error = ran.error();
        assert_eq!(
            (&error["code"], &error["exitStatus"]),
            (&code.into(), &status.into()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let program = Program::new(&url, 1);
    for arguments in [
        &["ls"][..],
        &["quote"],
        &["lease", "box"],
        &["wallet", "fill"],
    ] {
        let ran = program.run(arguments).await;
        assert_eq!(ran.status, 6, "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(program.purchases(), 0);
}

#[tokio::test]
async fn a_command_over_the_terminal_ends_with_its_status() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let shown = program.text(&["lease", "box", "-m", "30"]).await;
    assert!(
        shown.starts_with("box runs for 29 min, until ")
            || shown.starts_with("box runs for 30 min"),
        "{shown}"
    );
    for (arguments, status, stdout) in [
        (&["exec", "box", "echo out; exit 3"][..], 3, "out\n"),
        (
            &["exec", "box", "printf", "%s|", "a b", "$HOME", "it's"],
            0,
            "a b|$HOME|it's|",
        ),
        (&["exec", "box", "kill -9 $$"], 137, ""),
        (
            &["exec", "-t", "1", "box", "echo early; sleep 20"],
            124,
            "early\n",
        ),
        (&["exec", "box", "printf '\\377\\000x'"], 0, "\u{fffd}\0x"),
    ] {
        let ran = program.run(arguments).await;
        assert_eq!(
            (ran.status, ran.text().as_str()),
            (status, stdout),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let ran = program.run(&["exec", "box", "printf '\\377\\000x'"]).await;
    assert_eq!(ran.stdout, b"\xff\0x", "the bytes are the true ones");
    let ran = program.run(&["exec", "box", "echo wrong >&2"]).await;
    assert!(ran.stderr.contains("wrong\n"), "{}", ran.stderr);
}

#[tokio::test]
async fn help_needs_nothing() {
    let program = Program::new("no address", 1);
    let ran = ended(program.keyless(&["--help"])).await.ok();
    assert!(ran.text().contains("Usage: infra402"));
    let ran = ended(program.keyless(&["ls"])).await;
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("has to be an http:// or https:// URL"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_quote_that_is_refused_names_no_price() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let ran = program.run(&["quote", "--template", "unknown"]).await;
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let shown = String::from_utf8(ran.stdout).unwrap();
    assert!(!shown.is_empty());
    let refused = |line: &str| line.starts_with("refused: ");
    assert!(shown.lines().all(refused), "{shown}");
}
