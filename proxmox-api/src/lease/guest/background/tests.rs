//! What is read of a container's files, which its root may have written. The scripts themselves
//! are tested in a container, in `tests/it/ssh`.

use api_types::CommandState;

use super::{record::CommandRecord, *};

#[test]
fn a_line_is_read_and_nothing_else_is() {
    let line = "cmd_1 ended 3 1700000000 1700000005 12 0 ZWNobw==";
    let record = CommandRecord::read(line).unwrap();
    assert_eq!(record.state, CommandState::Ended);
    assert_eq!(
        (record.status, record.ended),
        (Some(3), Some(1_700_000_005))
    );
    assert_eq!((record.stdout, record.stderr), (12, 0));
    assert_eq!(record.view().command, "echo");
    let running = CommandRecord::read("cmd_1 running - 1700000000 - 0 0 ").unwrap();
    assert_eq!((running.status, running.ended), (None, None));
    for other in [
        "",
        "cmd_1",
        "cmd_1 asleep 0 1 1 1 1 ",
        "../x ended 0 1 1 1 1 ",
        "cmd_1 ended 0 x 1 1 1 ",
        "cmd_1 ended 0 1 1 -5 1 ",
        "cmd_1 ended 0 1 1 1 1 %%%",
    ] {
        assert_eq!(CommandRecord::read(other), None, "{other:?}");
    }
}

#[test]
fn what_a_container_forges_is_shown_and_breaks_nothing() {
    let line = format!("cmd_1 ended 99999999999 {} {} 1 1 ", i64::MAX, i64::MIN);
    let view = CommandRecord::read(&line).unwrap().view();
    assert_eq!(view.exit_code, None);
    assert!(serde_json::to_string(&view).is_ok());
}

#[test]
fn a_payment_names_its_command_and_an_id_is_no_path() {
    let id = command_id(&"pay_3f9a6c2e81b04d7755aa".into());
    assert_eq!(id, "cmd_3f9a6c2e81b04d7755aa");
    assert!(is_command_id(&id));
    for other in ["", "cmd", "cmd_a/b", "cmd_..", "x_1", "cmd_$a", "cmd_a b"] {
        assert!(!is_command_id(other), "{other:?}");
    }
}

#[test]
fn the_head_of_a_long_command_ends_with_a_whole_character() {
    assert_eq!(head_of("short"), "short");
    let long = "é".repeat(150);
    assert_eq!(head_of(&long).len(), 200);
    let odd = format!("a{long}");
    assert_eq!(head_of(&odd).len(), 199);
}
