//! docs/CLI.md and the help texts: they name what the program takes.

use std::{fs, path::Path};

use clap::{CommandFactory as _, Parser as _};
use cli::arguments::{CommandLine, EXIT_STATUSES, shells};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLI.md");
    fs::read_to_string(path).unwrap()
}

/// The words of a command line, without quotes; what follows `|`, `>` or `#` is another program's.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (character, quote) {
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, Some(open)) if character == open => quote = None,
            (' ', None) => words.extend(word.take()),
            ('|' | '>' | '<' | '#', None) => break,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_command_in_the_document_is_understood_and_every_one_is_named() {
    let document = document();
    let mut examples = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && let Some(at) = line.find("infra402 ") {
            examples.push(words(&line[at..]));
        }
    }
    assert!(examples.len() > 20, "{}", examples.len());
    for example in &examples {
        let read = CommandLine::try_parse_from(example);
        assert!(read.is_ok(), "{example:?}: {}", read.unwrap_err());
    }
    for command in CommandLine::command().get_subcommands() {
        let name = command.get_name();
        let shown = examples
            .iter()
            .any(|words| words.iter().any(|word| word == name));
        assert!(shown, "docs/CLI.md has no example of `infra402 {name}`");
        for below in command.get_subcommands() {
            let words = [name, below.get_name()];
            let shown = examples
                .iter()
                .any(|example| example.windows(2).any(|pair| pair == words));
            assert!(
                shown,
                "docs/CLI.md has no example of `infra402 {}`",
                words.join(" ")
            );
        }
    }
    for shell in shells() {
        assert!(
            document.contains(&shell),
            "docs/CLI.md does not name {shell}"
        );
    }
}

#[test]
fn the_document_names_every_option_and_variable_that_all_commands_take() {
    let document = document();
    for argument in CommandLine::command().get_arguments() {
        let long = argument.get_long().map(|long| format!("`--{long}"));
        let variable = argument
            .get_env()
            .map(|name| format!("`{}`", name.to_string_lossy()));
        for name in long.into_iter().chain(variable) {
            let shown = name == "`--help" || name == "`--version" || document.contains(&name);
            assert!(shown, "docs/CLI.md does not name {name}");
        }
    }
    // The table of exit statuses: a row for each number of the help.
    let numbers = EXIT_STATUSES
        .split_whitespace()
        .filter_map(|word| word.parse::<u8>().ok());
    for number in numbers {
        assert!(
            document.contains(&format!("| {number} |")),
            "no exit status {number}"
        );
    }
}

#[test]
fn help() {
    let mut command = CommandLine::command();
    command.build();
    CommandLine::command().debug_assert();
    let mut text = String::new();
    let mut open = vec![command];
    while let Some(mut command) = open.pop() {
        text.push_str(&command.render_long_help().to_string());
        text.push_str("\n---\n");
        let below: Vec<_> = command.get_subcommands().cloned().collect();
        open.extend(
            below
                .into_iter()
                .rev()
                .filter(|below| below.get_name() != "help"),
        );
    }
    insta::assert_snapshot!(text);
}
