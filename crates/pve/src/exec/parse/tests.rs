use proptest::prelude::*;

use super::*;

fn nonce() -> Nonce {
    Nonce {
        a: "0123abcd".into(),
        b: "4567ef01".into(),
    }
}

/// A parser of a running script.
fn running(nonce: Nonce) -> OutputParser {
    let mut parser = OutputParser::new(nonce);
    parser.expect_report(400);
    parser
}

/// Bytes that it keeps.
fn kept(parser: &OutputParser) -> usize {
    let stdout = match &parser.state {
        ParserState::Stderr(_, stdout) => stdout.capacity(),
        _ => 0,
    };
    parser.line.capacity() + parser.encoded.capacity() + stdout
}

fn transcript(code: i32, stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
    let n = nonce();
    format!(
        " echoed '0123abcdB' '4567ef01'\r\n\r\n{} {code} {} {}\r\n{}\r\n{}\r\n{}\r\n{}\r\nexit\r\n",
        n.joined('B'),
        stdout.len(),
        stderr.len(),
        STANDARD
            .encode(stdout)
            .as_bytes()
            .chunks(76)
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join("\r\n"),
        n.joined('M'),
        STANDARD.encode(stderr),
        n.joined('E'),
    )
    .into_bytes()
}

proptest! {
    #[test]
    fn a_report_is_the_same_however_it_is_cut(
        stdout in prop::collection::vec(any::<u8>(), 0..300), stderr in prop::collection::vec(any::<u8>(), 0..100),
        code in 0_i32..256, cut in 1_usize..40,
    ) {
        let mut parser = running(nonce());
        let events: Vec<ParserEvent> = transcript(code, &stdout, &stderr).chunks(cut).flat_map(|c| parser.feed(c)).collect();
        let expected = ScriptReport {
            exit_code: code, stdout_bytes: stdout.len() as u64, stderr_bytes: stderr.len() as u64, stdout, stderr,
        };
        prop_assert_eq!(events, [ParserEvent::Report(expected)]);
    }

    #[test]
    fn no_bytes_make_the_parser_panic_or_believe(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(running(nonce()).feed(&bytes), []);
    }
}

#[test]
fn sentinels_of_another_run_mean_nothing() {
    let mut parser = running(Nonce {
        a: "ffffffff".into(),
        b: "ffffffff".into(),
    });
    assert_eq!(parser.feed(&transcript(0, b"x", b"")), []);
}

#[test]
fn a_forged_block_is_garbled_and_never_a_panic() {
    let b = nonce().joined('B');
    for text in [
        format!("{b}\n"),
        format!("{b} 1 2\n"),
        format!("{b} -1 -2 3\n"),
        format!("{b} 99999999999999999999 0 0\n"),
        format!("{b} 0 0 0\n===\n{}\n", nonce().joined('M')),
    ] {
        assert_eq!(
            running(nonce()).feed(text.as_bytes()),
            [ParserEvent::Garbled],
            "{text}"
        );
    }
}

#[test]
fn output_of_a_running_script_is_told_by_stream() {
    let n = nonce();
    let text = format!(
        "{} o\r\naGk=\r\n{}\r\n{} e\nIQ==\n{}\n",
        n.joined('S'),
        n.joined('F'),
        n.joined('S'),
        n.joined('F')
    );
    assert_eq!(
        running(n).feed(text.as_bytes()),
        [
            ParserEvent::Output(OutputStream::Stdout, b"hi".to_vec()),
            ParserEvent::Output(OutputStream::Stderr, b"!".to_vec()),
        ]
    );
}

#[test]
fn no_flood_is_kept_in_any_phase() {
    let n = nonce();
    let header = |mark| format!("\n{} 0 1 1\n", n.joined(mark));
    let begins = [
        String::new(),
        header('B'),
        format!("{}{}\n", header('B'), n.joined('M')),
        format!("\n{} o\n", n.joined('S')),
    ];
    let floods = [
        "A".repeat(1000),
        format!("{}\r\n", "A".repeat(76)),
        "\0".repeat(1000),
        "\0\n".repeat(500),
        "\r".repeat(1000),
        format!("{} 0 0 0\n", n.joined('M')),
    ];
    for begin in &begins {
        for flood in &floods {
            for expects in [false, true] {
                let mut parser = OutputParser::new(n.clone());
                if expects {
                    parser.expect_report(16 * 1024);
                }
                parser.feed(begin.as_bytes());
                let mut most = 0;
                let mut events = 0;
                for _ in 0..2000 {
                    events += parser.feed(flood.as_bytes()).len();
                    most = most.max(kept(&parser));
                }
                // A vector that grows doubles, so it may have twice what is in it.
                let allowed = 2 * MAX_LINE + if expects { 4 * 16 * 1024 } else { 0 };
                assert!(most <= allowed, "{begin:?} {flood:?}: {most} bytes");
                assert!(events <= 2, "{begin:?} {flood:?}: {events} events");
            }
        }
    }
}

#[test]
fn a_long_line_between_the_blocks_hides_no_sentinel_behind_it() {
    let mut parser = OutputParser::new(nonce());
    for _ in 0..10 {
        assert_eq!(parser.feed(&[b'.'; MAX_LINE]), []);
    }
    let ready = format!("\n{}\n", nonce().joined('R'));
    assert_eq!(parser.feed(ready.as_bytes()), [ParserEvent::Ready]);
}

#[test]
fn a_block_is_ours_only_while_a_script_runs_and_no_longer_than_asked_for() {
    let block = transcript(0, &[7; 400], b"");
    assert_eq!(OutputParser::new(nonce()).feed(&block), []);
    let [ParserEvent::Report(report)] = &running(nonce()).feed(&block)[..] else {
        panic!("no report")
    };
    assert_eq!(report.stdout, [7; 400]);
    let longer = transcript(0, &[7; 403], b"");
    assert_eq!(running(nonce()).feed(&longer), [ParserEvent::Garbled]);
}
