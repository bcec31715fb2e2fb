//! The answers of commands, under every shell that a template may have.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pve_sim::ShellMode;
use serde_json::{Value, json};

use crate::guest::{CALL, Guest, host_shell, plain_shell};

/// The answer without the members that differ each time.
fn plain(mut body: Value) -> Value {
    let upid = body["upid"].take();
    let upid = upid.as_str().unwrap();
    assert!(
        upid.starts_with("UPID:pve:") && upid.contains(":vncproxy:") && upid.ends_with("::"),
        "{upid}"
    );
    body.as_object_mut().unwrap().remove("upid");
    body
}

async fn works_under(shell: ShellMode) {
    let guest = Guest::with(shell, &[]).await;
    let ctid = guest.ctid;
    for code in [0, 1, 7, 127] {
        let before = guest.balance().await;
        let body = json!({"command": format!("echo out; echo err >&2; exit {code}")});
        let answer = guest.exec(body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.receipt().unwrap()["success"], true);
        let expected = json!({
            "ctid": ctid, "output": "out\nerr\n", "stdout": "out\n", "stderr": "err\n", "exitCode": code,
            "timedOut": false, "truncated": false, "stdoutBytes": 4, "stderrBytes": 4, "via": "terminal",
        });
        assert_eq!(plain(answer.body), expected);
        assert_eq!(guest.balance().await, before - CALL);
    }
    // Standard input is empty, and arguments are data whatever they contain.
    let body = json!({"command": "cat; printf '[%s]' \"$PWD\" >/dev/null; printf '<%s>'",
        "extraArgs": ["a b", "it's", "$(id)", "", "\n"]});
    let answer = guest.exec(body).await;
    assert_eq!(answer.body["stdout"], "<a b><it's><$(id)><><\n>");

    let answer = guest
        .exec(json!({"command": r"printf 'a\000b\r\n\033[2J'; printf '\377\000' >&2; exit 3"}))
        .await;
    assert_eq!(answer.body["stdout"], "a\0b\r\n\u{1b}[2J");
    assert_eq!(answer.body["stdoutBase64"], Value::Null);
    assert_eq!(answer.body["stderr"], "\u{fffd}\0");
    assert_eq!(answer.body["stderrBase64"], "/wA=");
    assert_eq!(answer.body["exitCode"], 3);

    let long = format!(
        "{}echo end",
        "# a comment that makes this script a long one\n".repeat(450)
    );
    assert!(long.len() > 20_000);
    assert_eq!(guest.output(&long).await, "end\n");

    let answer = guest
        .exec(json!({"command": "yes 0123456 | head -c 400000"}))
        .await;
    assert_eq!(answer.body["stdout"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(answer.body["truncated"], true);
    assert_eq!(answer.body["stdoutBytes"], 400_000);

    let answer = guest
        .exec(json!({"command": "echo begun; sleep 60", "timeoutSeconds": 1}))
        .await;
    assert_eq!(answer.body["timedOut"], true);
    assert_eq!(answer.body["exitCode"], Value::Null);
    assert_eq!(answer.body["stdout"], "begun\n");
    assert_eq!(guest.output("echo usable").await, "usable\n");
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn commands_work_under_bash() {
    works_under(host_shell("bash")).await;
}

#[tokio::test]
#[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]
async fn commands_work_under_dash() {
    works_under(host_shell("dash")).await;
}

#[tokio::test]
#[cfg_attr(not(has_busybox), ignore = "needs BusyBox (Debian: busybox)")]
async fn commands_work_under_busybox_ash() {
    works_under(host_shell("busybox")).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn commands_run_in_the_confined_shells_of_an_ordinary_simulator() {
    let guest = Guest::with(ShellMode::Confined, &[]).await;
    assert_eq!(guest.output("hostname").await, "box\n");
    assert_eq!(guest.output("echo hi > note; cat note").await, "hi\n");
    assert_eq!(
        guest.output("cat note").await,
        "hi\n",
        "the next session sees the same files"
    );
    let answer = guest.exec(json!({"command": "cat /etc/shadow"})).await;
    assert_ne!(answer.body["exitCode"], 0, "{:?}", answer.body);
}

#[tokio::test]
async fn hostile_texts_are_data() {
    let guest = Guest::with(plain_shell(), &[]).await;
    // Quotes, terminal escapes, a heredoc with a terminator like ours, and text as an earlier run
    // may have printed it.
    let command = "cat <<'EOF'\n'\"`$(x)\\\u{1b}[31m\u{7}\nEOF\nprintf '\\ndeadbeefRcafebabe\\ndeadbeefBcafebabe 0 0 0\\n'\necho deadbeefH";
    assert_eq!(
        guest.output(command).await,
        "'\"`$(x)\\\u{1b}[31m\u{7}\n\ndeadbeefRcafebabe\ndeadbeefBcafebabe 0 0 0\ndeadbeefH\n"
    );
    assert_eq!(guest.output("echo usable").await, "usable\n");
}

#[test]
fn random_bytes_and_exit_codes_come_back_as_they_were() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let guest = runtime.block_on(Guest::with(plain_shell(), &[]));
    let config = Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let case = (prop::collection::vec(any::<u8>(), 0..600), 0_i32..=255);
    TestRunner::new(config)
        .run(&case, |(bytes, code)| {
            let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
            let command = format!("printf '{octal}'; exit {code}");
            let answer = runtime.block_on(guest.exec(json!({ "command": command })));
            prop_assert_eq!(answer.status.as_u16(), 200);
            prop_assert_eq!(answer.body["exitCode"].as_i64(), Some(code.into()));
            match std::str::from_utf8(&bytes) {
                Ok(text) => prop_assert_eq!(answer.body["stdout"].as_str(), Some(text)),
                Err(_) => {
                    let base64 =
                        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
                    prop_assert_eq!(answer.body["stdoutBase64"].as_str(), Some(base64.as_str()));
                }
            }
            Ok(())
        })
        .unwrap();
}
