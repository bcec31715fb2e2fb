//! Whether the processes of a container are bounded. No call of Proxmox shows it, and the bound is above what a container sees
//! of its own control groups, so that only trying tells: processes are made until one is refused, or until there are more than
//! the printed bound allows. They do nothing, and end with the try.

use pve::{NodeName, Vmid};

use super::{CHECK, Finding, guests::Guests};
use crate::doctor::fence::{PIDS, PIDS_FILE};

/// Processes of a try: more than the bound that `--setup` prints. They take some 800 MB for a moment.
pub(super) const MOST: u32 = PIDS + 100;
/// `EAGAIN`, which is how the kernel refuses one process too many. Too little memory is another.
const REFUSED: u32 = 11;

/// Tries it in a container.
///
/// # Errors
/// The container does not answer.
pub(super) async fn examine(
    guests: &Guests<'_>,
    node: &NodeName,
    vmid: Vmid,
    most: u32,
) -> Result<Finding, String> {
    let said = guests.says(node, vmid, script(most)).await?;
    let expected = format!("the number of processes of a container on {node} is bounded");
    let mend = format!(
        "echo 'lxc.cgroup2.pids.max = {PIDS}' > {PIDS_FILE}  # on {node}; see step 14 of doctor --setup"
    );
    Ok(match outcome(&said) {
        Outcome::Bounded(made) => Finding::ok(CHECK, &expected, format!("at some {made}")),
        Outcome::Unbounded(made) => {
            let found = format!("it is not: it started {made}, and no more were tried");
            Finding::warning(CHECK, &expected, found).mend(mend)
        }
        Outcome::Unknown(why) => {
            Finding::warning(CHECK, &expected, format!("unknown: {why}")).mend(mend)
        }
    })
}

/// Every Debian has Perl. A shell waits and tries again where it is refused a process, and does not say why it was.
fn script(most: u32) -> String {
    format!(
        "command -v perl > /dev/null && perl -e '\
         my @all; \
         while (@all < {most}) {{ \
         my $one = fork; \
         if (!defined $one) {{ print \"refused \", $! + 0, \"\\n\"; last }} \
         if (!$one) {{ sleep 60; exit }} \
         push @all, $one }} \
         print \"made \", scalar @all, \"\\n\"; \
         kill 9, @all; 1 while wait > 0' || echo 'no perl'\n"
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Bounded(u32),
    Unbounded(u32),
    Unknown(&'static str),
}

fn outcome(said: &str) -> Outcome {
    let number = |name: &str| -> Option<u32> {
        let mut lines = said.lines();
        let line = lines.find_map(|line| line.trim().strip_prefix(name))?;
        line.trim().parse().ok()
    };
    match (number("made "), number("refused ")) {
        (Some(made), Some(REFUSED)) => Outcome::Bounded(made),
        (Some(_), Some(_)) => Outcome::Unknown("the container's memory was full before"),
        (Some(made), None) => Outcome::Unbounded(made),
        (None, _) if said.contains("no perl") => Outcome::Unknown("the template has no perl"),
        (None, _) => Outcome::Unknown("the container did not say"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_refusal_counts_as_a_bound() {
        for (said, expected) in [
            ("refused 11\r\nmade 4090\r\n", Outcome::Bounded(4090)),
            ("made 4196\r\n", Outcome::Unbounded(4196)),
            (
                "refused 12\nmade 2000\n",
                Outcome::Unknown("the container's memory was full before"),
            ),
            ("no perl\n", Outcome::Unknown("the template has no perl")),
            ("Killed\n", Outcome::Unknown("the container did not say")),
        ] {
            assert_eq!(outcome(said), expected, "{said}");
        }
    }

    /// The kernel's own answers, of a limit for an ordinary user who runs nothing else.
    #[test]
    fn the_script_tells_a_bound_from_none() {
        let usable =
            |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        // A user that no account has, so that nothing else counts.
        let as_user = |limit: &str, script: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "61402", "--clear-groups", "prlimit"]);
            command.args([&format!("--nproc={limit}"), "sh", "-c", script]);
            command
        };
        if !usable(&mut as_user("200", "command -v perl")) {
            eprintln!(
                "setpriv, prlimit or perl cannot be used here; `cargo xtask test` counts that as skipped"
            );
            return;
        }
        let said = |limit| {
            let output = as_user(limit, &script(40)).output().unwrap();
            outcome(&String::from_utf8_lossy(&output.stdout))
        };
        assert_eq!(said("200"), Outcome::Unbounded(40));
        let Outcome::Bounded(made) = said("20") else {
            panic!("{:?}", said("20"));
        };
        assert!((10..20).contains(&made), "{made}");
    }
}
