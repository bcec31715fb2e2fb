//! The ways that are tried from inside, as a script for the container and the reading of its answers.
//! A refusal counts as reached: something behind the fence answered. Only silence is closed.

use std::fmt::Write as _;
use std::net::IpAddr;

/// How long one try may take, in seconds. The tries run side by side.
pub(super) const PATIENCE: u32 = 5;

/// A server of the internet that has to be reached, by a name.
pub(super) const INTERNET: (&str, u16) = ("example.com", 443);

/// One way out of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What it leads to, for people.
    pub what: String,
    /// An address, or a name that the container looks up.
    pub host: String,
    /// The port.
    pub port: u16,
    /// It has to be open; else it has to be closed.
    pub open: bool,
}

impl Way {
    /// A way that has to be closed.
    pub fn closed(what: impl Into<String>, host: impl ToString, port: u16) -> Self {
        Self {
            what: what.into(),
            host: host.to_string(),
            port,
            open: false,
        }
    }

    /// A way that has to be open.
    pub fn open(what: impl Into<String>, host: impl ToString, port: u16) -> Self {
        Self {
            open: true,
            ..Self::closed(what, host, port)
        }
    }
}

/// The ways of every container: this host by the addresses that are known, what must not be reached
/// beyond it, and what has to work.
pub(super) fn of_container(gateway: IpAddr, hosts: &[IpAddr], more: &[IpAddr]) -> Vec<Way> {
    let mut ways = Vec::new();
    for port in [8006, 22, 3128, 111] {
        ways.push(Way::closed(
            "the host, by the gateway's address",
            gateway,
            port,
        ));
    }
    for host in hosts {
        ways.extend([8006, 22].map(|port| Way::closed("the host", host, port)));
    }
    for host in more {
        ways.extend([22, 80].map(|port| Way::closed("the host's network", host, port)));
    }
    ways.push(Way::closed("the metadata address", "169.254.169.254", 80));
    ways.push(Way::closed("mail", "gmail-smtp-in.l.google.com", 25));
    ways.extend([465, 587].map(|port| Way::closed("mail", "smtp.gmail.com", port)));
    ways.push(Way::closed(
        "the internet by IPv6",
        "2606:4700:4700::1111",
        443,
    ));
    let (host, port) = INTERNET;
    ways.push(Way::open("the internet, by a name", host, port));
    ways
}

/// A script that tries all of them and says a line of each: `way NUMBER reached` or `silent`.
pub(super) fn script(ways: &[Way]) -> String {
    let mut script = String::from(
        "command -v bash > /dev/null && command -v timeout > /dev/null || { echo no tools; exit \
        0; }\n\
         try() {\n  \
         said=$(LC_ALL=C timeout ",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        script,
        "{PATIENCE} bash -c \"exec 3<> /dev/tcp/$2/$3\" 2>&1) && {{ echo \"way $1 reached\"; \
        return; }}"
    );
    script += "  case $said in\n  *refused*) echo \"way $1 reached\" ;;\n  *) echo \"way $1 \
    silent\" ;;\n  esac\n}\n";
    for (number, way) in ways.iter().enumerate() {
        let _ = writeln!(script, "try {number} {} {} &", way.host, way.port);
    }
    script + "wait\n"
}

/// Which were reached. A way without an answer is `None`, and shows nothing.
pub(super) fn answers(ways: &[Way], output: &str) -> Vec<Option<bool>> {
    let mut answers = vec![None; ways.len()];
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["way", number, answer @ ("reached" | "silent")] = words[..]
            && let Some(slot) = number
                .parse()
                .ok()
                .and_then(|number: usize| answers.get_mut(number))
        {
            *slot = Some(answer == "reached");
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_missing_shows_nothing() {
        let ways = of_container("10.64.0.1".parse().unwrap(), &[], &[]);
        let all = answers(
            &ways,
            "way 0 silent\nway 1 reached\nway 99 silent\nway x silent\nnoise\n",
        );
        assert_eq!(all[..3], [Some(false), Some(true), None]);
        assert_eq!(all.len(), ways.len());
        assert!(script(&ways).contains("try 0 10.64.0.1 8006 &\n"));
    }
}
