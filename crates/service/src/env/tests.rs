//! Tests of the configuration reader.

use std::net::{IpAddr, Ipv4Addr};

use super::schema::{Gone, Group, Schema, Variable};
use super::*;

fn empty() -> Env {
    Env::from_map(std::iter::empty::<(String, String)>())
}

#[test]
fn every_mistake_is_reported_at_once_with_an_example() {
    let mut env = Env::from_map([
        ("PORT", "many"),
        ("CORES", "99"),
        ("DEMO", "perhaps"),
        ("BLANK", "  "),
    ]);
    assert_eq!(env.parse("PORT", 4021_u16, "4021"), 4021);
    assert_eq!(env.number_in("CORES", 1, 1..=8), 1);
    assert!(!env.flag("DEMO", false));
    assert_eq!(env.required_text("BLANK", "text"), None);
    assert_eq!(env.required::<u64>("CHAIN", "84532"), None);
    env.problem("A", "contradicts B", "1");

    let problems = env.finish().unwrap_err();
    assert_eq!(
        problems.to_string(),
        "the configuration has 6 problems:\n  \
         PORT cannot be read (invalid digit found in string); example: PORT=4021\n  \
         CORES is not from 1 to 8; example: CORES=1\n  \
         DEMO is none of true, false, 1, 0, yes, no, on, off; example: DEMO=true\n  \
         BLANK is not set; example: BLANK=text\n  \
         CHAIN is not set; example: CHAIN=84532\n  \
         A contradicts B; example: A=1"
    );
}

#[test]
fn good_values_are_read_and_trimmed() {
    let mut env = Env::from_map([
        ("HOST", " 127.0.0.1 "),
        ("CORES", "8"),
        ("DEMO", "YES"),
        ("NODES", "a, b,,c "),
        ("MODE", "Fast"),
    ]);
    assert_eq!(
        env.required::<IpAddr>("HOST", "0.0.0.0"),
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    );
    assert_eq!(env.number_in("CORES", 1, 1..=8), 8);
    assert!(env.flag("DEMO", false));
    assert_eq!(env.list("NODES"), ["a", "b", "c"]);
    assert_eq!(env.choice("MODE", 0, &[("slow", 1), ("fast", 2)]), 2);
    assert_eq!(env.text("ABSENT", "default"), "default");
    assert_eq!(env.optional::<u8>("ABSENT", "1"), None);
    assert_eq!(env.finish(), Ok(()));
}

#[test]
fn the_configuration_is_built_only_without_problems() {
    let mut env = empty();
    let name = env.required_text("NAME", "x");
    let failed = env.finish_with(|| -> Option<String> { unreachable!("not with a problem") });
    assert_eq!(name, None);
    assert_eq!(failed.unwrap_err().as_slice().len(), 1);

    assert_eq!(empty().finish_with(|| Some(1)), Ok(1));
}

#[test]
fn a_secret_is_read_from_the_file_that_is_named() {
    let path = std::env::temp_dir().join(format!("secret-{}", crate::crypto::random_hex(8)));
    std::fs::write(&path, "from file\r\n").unwrap();
    let mut env = Env::from_map([("TOKEN_FILE", path.to_str().unwrap())]);
    let secret = env.required_secret("TOKEN", "x");
    std::fs::remove_file(&path).unwrap();

    assert_eq!(secret, Some(Secret::new("from file")));
    assert_eq!(env.finish(), Ok(()));
}

#[test]
fn a_problem_of_a_secret_is_recorded_once_and_never_shows_the_value() {
    let mut env = Env::from_map([
        ("BOTH", "hunter2"),
        ("BOTH_FILE", "/nowhere"),
        ("LOST_FILE", "/nowhere/hunter2"),
    ]);
    assert_eq!(env.required_secret("BOTH", "x"), None);
    assert_eq!(env.required_secret("LOST", "x"), None);
    assert_eq!(env.required_secret("NONE", "x"), None);
    assert_eq!(env.optional_secret("NONE"), None);

    let text = env.finish().unwrap_err().to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(
        text,
        "the configuration has 3 problems:\n  \
         BOTH_FILE and BOTH are both set, and only one can count; example: BOTH_FILE=/run/secrets/both\n  \
         LOST_FILE names a file that cannot be read (entity not found); example: LOST_FILE=/run/secrets/lost\n  \
         NONE is not set; example: NONE=x"
    );
}

#[test]
fn a_broken_dotenv_line_is_reported_without_its_content() {
    let error = dotenvy::from_read_iter("TOKEN='hunter2".as_bytes())
        .find_map(Result::err)
        .unwrap();
    let text = unreadable_dotenv(&error).to_string();
    assert!(
        text.starts_with(".env has a line that cannot be read"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

static PORT: Variable = Variable::with_default("PORT", "80", "Where it listens.");
static NAME: Variable = Variable::required("NAME", "x", "Who it is.");
static SCHEMA: Schema = Schema {
    service: "one",
    groups: &[&Group {
        title: "All",
        variables: &[&PORT],
    }],
    gone: &[Gone {
        name: "OLD",
        instead: "PORT replaces it",
    }],
};

#[test]
fn a_declared_variable_has_its_default_and_its_example() {
    let mut env = Env::from_map([("PORT", "many")]);
    assert_eq!(env.read::<u16>(&PORT), 80);
    assert_eq!(env.need_text(&NAME), None);
    let problems = env.finish().unwrap_err().to_string();
    assert!(problems.contains("example: PORT=80\n"), "{problems}");
    assert!(
        problems.contains("NAME is not set; example: NAME=x"),
        "{problems}"
    );

    let mut env = Env::from_map([("PORT", "99999")]);
    assert_eq!(env.read_in(&PORT, 1..=65_535_u32), 80);
    let problems = env.finish().unwrap_err().to_string();
    assert!(
        problems.contains("PORT is not from 1 to 65535"),
        "{problems}"
    );
    assert_eq!(empty().read_list(&PORT), ["80"]);
}

#[test]
fn only_variables_of_earlier_versions_cause_warnings() {
    let env = Env::from_map([("OLD", "1"), ("OTHER", "2")]).for_schema(&SCHEMA);
    assert_eq!(env.notices(), ["OLD has no effect: PORT replaces it"]);
}

#[test]
#[should_panic(expected = "NAME is not in the schema")]
fn a_variable_outside_the_schema_cannot_be_read() {
    let _ = empty().for_schema(&SCHEMA).find_text(&NAME);
}
