//! Whether the processes of a container are bounded. No call of Proxmox shows it, and the bound is
//! above what a container sees of its own control groups. So processes are started until one is
//! refused, or until there are more than the printed bound allows. They sleep, and end with the
//! check.

use pve::{NodeName, Vmid};

use super::{CHECK, Finding, containers::ProbeContainers};
use crate::doctor::fence::{PIDS, PIDS_FILE};

/// Processes that are started: more than the bound that `--setup` prints. They take some 800 MB for
/// a moment.
pub(super) const PROCESSES_TRIED: u32 = PIDS + 100;
/// `EAGAIN`, with which the kernel refuses one process too many. `ENOMEM` is another number.
const REFUSED: u32 = 11;

/// Starts processes in a container.
///
/// # Errors
/// The container does not answer.
pub(super) async fn examine(
    containers: &ProbeContainers<'_>,
    node: &NodeName,
    vmid: Vmid,
    count: u32,
) -> Result<Finding, String> {
    let output = containers.run_script(node, vmid, script(count)).await?;
    let expected = format!("the number of processes of a container on {node} is bounded");
    let mend = format!(
        "echo 'lxc.cgroup2.pids.max = {PIDS}' > {PIDS_FILE}  # on {node}; see step 14 of doctor --setup"
    );
    Ok(match read_output(&output) {
        ProcessBound::Bounded(made) => Finding::ok(CHECK, &expected, format!("at some {made}")),
        ProcessBound::Unbounded(made) => {
            let found = format!("it is not: it started {made}, and no more were tried");
            Finding::warning(CHECK, &expected, found).mend(mend)
        }
        ProcessBound::Unknown(why) => {
            Finding::warning(CHECK, &expected, format!("unknown: {why}")).mend(mend)
        }
    })
}

/// The script is Perl, which every Debian has: a shell that is refused a process retries, and does
/// not print the cause.
fn script(count: u32) -> String {
    format!(
        "command -v perl > /dev/null && perl -e '\
         my @all; \
         while (@all < {count}) {{ \
         my $one = fork; \
         if (!defined $one) {{ print \"refused \", $! + 0, \"\\n\"; last }} \
         if (!$one) {{ sleep 60; exit }} \
         push @all, $one }} \
         print \"made \", scalar @all, \"\\n\"; \
         kill 9, @all; 1 while wait > 0' || echo 'no perl'\n"
    )
}

#[derive(Debug, PartialEq, Eq)]
enum ProcessBound {
    Bounded(u32),
    Unbounded(u32),
    Unknown(&'static str),
}

fn read_output(output: &str) -> ProcessBound {
    let number = |name: &str| -> Option<u32> {
        let mut lines = output.lines();
        let line = lines.find_map(|line| line.trim().strip_prefix(name))?;
        line.trim().parse().ok()
    };
    match (number("made "), number("refused ")) {
        (Some(made), Some(REFUSED)) => ProcessBound::Bounded(made),
        (Some(_), Some(_)) => ProcessBound::Unknown("the container's memory was full before"),
        (Some(made), None) => ProcessBound::Unbounded(made),
        (None, _) if output.contains("no perl") => {
            ProcessBound::Unknown("the template has no perl")
        }
        (None, _) => ProcessBound::Unknown("the container did not say"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_refusal_counts_as_a_bound() {
        for (output, expected) in [
            ("refused 11\r\nmade 4090\r\n", ProcessBound::Bounded(4090)),
            ("made 4196\r\n", ProcessBound::Unbounded(4196)),
            (
                "refused 12\nmade 2000\n",
                ProcessBound::Unknown("the container's memory was full before"),
            ),
            (
                "no perl\n",
                ProcessBound::Unknown("the template has no perl"),
            ),
            (
                "Killed\n",
                ProcessBound::Unknown("the container did not say"),
            ),
        ] {
            assert_eq!(read_output(output), expected, "{output}");
        }
    }

    /// The kernel's own answers, of a limit for an ordinary user who runs nothing else.
    #[test]
    #[cfg_attr(
        not(has_process_limits),
        ignore = "needs root, prlimit and Perl (Debian: util-linux perl)"
    )]
    fn the_script_tells_a_bound_from_none() {
        // A user that no account has, so that nothing else counts.
        let as_user = |limit: &str, script: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "61402", "--clear-groups", "prlimit"]);
            command.args([&format!("--nproc={limit}"), "sh", "-c", script]);
            command
        };
        let output = |limit| {
            let output = as_user(limit, &script(40)).output().unwrap();
            read_output(&String::from_utf8_lossy(&output.stdout))
        };
        assert_eq!(output("200"), ProcessBound::Unbounded(40));
        let ProcessBound::Bounded(made) = output("20") else {
            panic!("{:?}", output("20"));
        };
        assert!((10..20).contains(&made), "{made}");
    }
}
