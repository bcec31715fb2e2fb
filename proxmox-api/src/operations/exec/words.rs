//! Quotes a request's arguments for the shell, and removes our account from a task's name.

use pve::Upid;

use crate::lease::guest::shell::quoted;

/// The command line with each further argument quoted as one word.
pub(super) fn script(command: &str, extra_args: &[String]) -> String {
    // A line break at the end would make a command of its own out of the arguments.
    let mut script = command.trim().to_owned();
    for argument in extra_args {
        script.push(' ');
        script.push_str(&quoted(argument));
    }
    script
}

/// A task's name without the account of ours that started it.
pub(super) fn without_account(task: &Upid) -> String {
    let account = format!(":{}:", task.user);
    let name = task.as_str();
    format!("{}::", name.strip_suffix(&account).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_argument_is_one_word_and_the_command_is_as_it_was() {
        assert_eq!(script(" ls -l | wc\n", &[]), "ls -l | wc");
        let arguments = words(&["a b", "it's", "", "$HOME;`id`"]);
        assert_eq!(
            script("echo", &arguments),
            r"echo 'a b' 'it'\''s' '' '$HOME;`id`'"
        );
        assert_eq!(script("", &[]), "");
    }

    #[test]
    fn a_task_is_named_without_its_account() {
        let task = "UPID:pve:00001234:0012D687:6748A1B2:vncproxy:40200:infra402@pve!svc:";
        let shown = without_account(&task.parse().unwrap());
        assert_eq!(
            shown,
            "UPID:pve:00001234:0012D687:6748A1B2:vncproxy:40200::"
        );
    }
}
