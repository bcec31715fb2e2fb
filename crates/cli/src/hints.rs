//! What the service advises, in this program's words. The service speaks to all of its clients and
//! names routes; a customer at a command line wants the command.

use crate::{
    arguments::{Command, CommandsAction, PortsAction},
    failure::Failure,
    transfer::Endpoint,
};

/// Words of the service's advice, and the command that does the same.
const COMMANDS: [(&str, &str); 9] = [
    (
        "POST /lease/{ctid}/start, free with a session",
        "infra402 start CONTAINER",
    ),
    (
        "POST /lease/{lease}/access, free with a session",
        "infra402 call POST /lease/NUMBER/access, with the number that infra402 ls shows",
    ),
    (
        "GET /lease/{lease}/commands/",
        "infra402 commands logs CONTAINER ",
    ),
    ("renew the lease", "infra402 renew CONTAINER"),
    ("sign in with the wallet and GET /leases", "infra402 ls"),
    ("sign in and GET /leases", "infra402 ls"),
    ("GET /payments", "infra402 payments"),
    (
        "send the command with \"force\": true",
        "send the command with --force",
    ),
    (
        "send the same signed request again",
        "run the same command again",
    ),
];

/// The failure of a command with advice that names commands. What `call` sends is a request, and
/// its advice stays one.
pub fn in_commands(mut failure: Failure, container: Option<&str>) -> Failure {
    for advice in &mut failure.next_actions {
        *advice = translated(advice, container.unwrap_or("CONTAINER"));
    }
    failure
}

/// The container that a command is about, as the command line names it.
pub fn container(command: &Command) -> Option<String> {
    let named = match command {
        Command::Exec(arguments) => &arguments.container,
        Command::Logs(arguments) => &arguments.container,
        Command::Ssh(arguments) => &arguments.container,
        Command::Commands { action } => match action {
            CommandsAction::Logs(arguments) => &arguments.container,
            CommandsAction::Ls { container } | CommandsAction::Kill { container, .. } => container,
        },
        Command::Ports { action } => match action {
            PortsAction::Ls { container }
            | PortsAction::Open { container, .. }
            | PortsAction::Visit { container, .. }
            | PortsAction::Close { container, .. } => container,
        },
        Command::Console { container }
        | Command::Proxy { container }
        | Command::Renew { container, .. }
        | Command::Stop { container }
        | Command::Start { container } => container,
        Command::Cp(arguments) => {
            let mut ends = [&arguments.source, &arguments.target].into_iter();
            return ends.find_map(|end| match end.parse() {
                Ok(Endpoint::Container { container, .. }) => Some(container),
                _ => None,
            });
        }
        _ => return None,
    };
    Some(named.clone())
}

fn translated(advice: &str, container: &str) -> String {
    if let Some(port) = published_port(advice) {
        return format!("publish it: infra402 ports open {container} {port}");
    }
    let mut text = advice.to_owned();
    for (words, command) in COMMANDS {
        text = text.replace(words, &command.replace("CONTAINER", container));
    }
    text
}

/// The port in advice to publish it.
fn published_port(advice: &str) -> Option<u16> {
    let (_, port) = advice.strip_prefix("PUT /lease/")?.split_once("/ports/")?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_command_and_other_words_stay() {
        for (advice, told) in [
            (
                "start it: POST /lease/{ctid}/start, free with a session",
                "start it: infra402 start box",
            ),
            (
                "or renew the lease, which starts it as well",
                "or infra402 renew box, which starts it as well",
            ),
            (
                "set SSH up: POST /lease/{lease}/access, free with a session",
                "set SSH up: infra402 call POST /lease/NUMBER/access, with the number that \
                 infra402 ls shows",
            ),
            (
                "look for it: GET /lease/{lease}/commands/cmd_1",
                "look for it: infra402 commands logs box cmd_1",
            ),
            (
                "PUT /lease/lease_1/ports/80",
                "publish it: infra402 ports open box 80",
            ),
            (
                "see GET /payments, or ask the operator, naming the paymentId",
                "see infra402 payments, or ask the operator, naming the paymentId",
            ),
            (
                "sign in with the wallet and GET /leases to see what it bought",
                "infra402 ls to see what it bought",
            ),
            ("ask the operator", "ask the operator"),
        ] {
            assert_eq!(translated(advice, "box"), told);
        }
    }
}
