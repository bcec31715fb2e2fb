//! Commands and pasted text through a terminal proxy with the defects of the real one.

use std::time::Duration;

use pve::Terminal;
use pve_sim::TerminalDefects;

use crate::host::{Load, host, sh};

/// A script of this many bytes.
fn long(bytes: usize) -> String {
    let mut script = "# a comment that makes the script long\n".repeat(bytes / 39 + 1);
    script.truncate(bytes - 10);
    script + "\necho end\n"
}

/// A short command that prints its number.
fn short(number: usize) -> String {
    format!("echo {number}")
}

/// The same, padded to 60 KB.
fn of_60_kb(number: usize) -> String {
    long(60_000).replace("echo end\n", &format!("echo {number}\n"))
}

#[tokio::test]
async fn short_commands_give_their_results_where_the_tail_is_lost() {
    let host = host(sh(), TerminalDefects::LOST_TAIL, 5).await;
    assert_eq!(host.results(2, short).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_five_hundred_short_commands_give_five_hundred_results() {
    let host = host(sh(), TerminalDefects::ALL, 20).await;
    let _load = Load::start().await;
    assert_eq!(host.results(25, short).await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_fifty_commands_of_60_kb_give_fifty_results_and_wedge_no_terminal() {
    let host = host(sh(), TerminalDefects::ALL, 10).await;
    let _load = Load::start().await;
    assert_eq!(host.results(5, of_60_kb).await, 50);
}

#[tokio::test]
async fn long_commands_give_their_results_where_headers_are_split() {
    let host = host(sh(), TerminalDefects::SPLIT_HEADERS, 1).await;
    // Typed in pieces of 512 bytes, the first two have a header across a border.
    for bytes in [20_708, 62_612, 120_000] {
        let output = host.run(host.containers[0], long(bytes)).await;
        assert_eq!(output.unwrap(), "end\n", "{bytes}");
    }
}

#[tokio::test]
async fn no_message_is_lost_where_its_header_would_be_split() {
    let host = host(sh(), TerminalDefects::SPLIT_HEADERS, 1).await;
    let mut terminal = host.terminal().await;
    // After the size (9 bytes) and this message, one byte is left before the border.
    let line = format!("true {}\r", "x".repeat(4073));
    assert_eq!(9 + format!("0:{}:{line}", line.len()).len(), 4095);
    terminal.write(line.as_bytes()).await.unwrap();
    terminal.write(b"printf 'do-%s' ne\r").await.unwrap();
    assert!(shows_done(&mut terminal).await);
}

#[tokio::test]
async fn short_and_long_commands_give_their_results_with_all_defects_together() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    for bytes in [10, 62_612, 10, 120_000] {
        let answer = host.run(host.containers[0], long(bytes)).await;
        assert_eq!(answer.unwrap(), "end\n", "{bytes}");
    }
}

/// Whether a terminal shows that it has read the end of a paste.
async fn shows_done(terminal: &mut Terminal) -> bool {
    let mut shown = Vec::new();
    let all = async {
        while let Some(bytes) = terminal.read().await.unwrap() {
            shown.extend_from_slice(&bytes);
            if String::from_utf8_lossy(&shown).contains("do-ne") {
                return true;
            }
        }
        false
    };
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, all).await.unwrap_or(false)
}

#[tokio::test]
async fn what_is_pasted_does_not_block_the_terminal() {
    let line = "true a line that is pasted\r";
    let pasted = format!("{}printf 'do-%s' ne\r", line.repeat(30_000 / line.len()));
    let host = host(sh(), TerminalDefects::ECHO, 1).await;
    let mut terminal = host.terminal().await;
    terminal.paced().write(pasted.as_bytes()).await.unwrap();
    assert!(shows_done(&mut terminal).await);
    // Pasted at once, it does: this is the defect.
    let mut terminal = host.terminal().await;
    terminal.write(pasted.as_bytes()).await.unwrap();
    assert!(!shows_done(&mut terminal).await);
}
