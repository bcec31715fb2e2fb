//! Whether a node's releases have faults by which a container's root is known to get out of it.

use std::cmp::Ordering;

use pve::{NodeName, Package, Refusal, compare_versions};

use super::Finding;
use crate::proxmox::Proxmox;

const CHECK: &str = "tenants.packages";

/// A package that closed a way out of containers, the first release that did, and who says so.
struct PackageFix {
    package: &'static str,
    release: &'static str,
    source: &'static str,
}

const PACKAGES: [PackageFix; 1] = [PackageFix {
    package: "pve-container",
    release: "6.1.13",
    source: "PSA-2026-00040",
}];

/// The same of kernels, by the series that the node boots, the newest first. A series that is not
/// here gets no fixes that are known.
const KERNELS: [(&str, PackageFix); 3] = [
    (
        "7.0.",
        PackageFix {
            package: "proxmox-kernel-7.0",
            release: "7.0.14-11",
            source: "PSA-2026-00037 and PSA-2026-00038",
        },
    ),
    (
        "6.17.",
        PackageFix {
            package: "proxmox-kernel-6.17",
            release: "6.17.13-10",
            source: "CVE-2026-43494",
        },
    ),
    (
        "6.8.",
        PackageFix {
            package: "proxmox-kernel-6.8",
            release: "6.8.12-25",
            source: "CVE-2026-43494",
        },
    ),
];

/// Asks the node for its releases. Without the right to, there is no finding: that right is
/// examined by itself.
pub(super) async fn examine(proxmox: &Proxmox, node: &NodeName) -> Vec<Finding> {
    let expected = format!("{node} has no release with a known way out of containers");
    let packages = match proxmox.client.packages(node).await {
        Ok(packages) => packages,
        Err(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => {
            return Vec::new();
        }
        Err(error) => return vec![Finding::warning(CHECK, &expected, error.safe_text())],
    };
    let mut findings: Vec<Finding> = PACKAGES
        .iter()
        .filter(|fixed| {
            let named = packages
                .iter()
                .find(|package| package.name == fixed.package);
            named.and_then(|package| package.is_older_than(fixed.release)) == Some(true)
        })
        .map(|fixed| {
            let found = format!(
                "{} is older than {} ({})",
                fixed.package, fixed.release, fixed.source
            );
            upgrade(node, &expected, found)
        })
        .collect();
    findings.extend(kernel(node, &expected, &packages));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, &expected, "none that is known here"));
    }
    findings
}

/// The one that runs counts, not the one that is installed.
fn kernel(node: &NodeName, expected: &str, packages: &[Package]) -> Option<Finding> {
    let running = packages
        .iter()
        .find_map(|package| package.running_kernel.as_deref())?;
    let release = running.trim_end_matches("-pve");
    let series = KERNELS
        .iter()
        .find(|(series, _)| release.starts_with(series));
    let Some((_, fixed)) = series else {
        let (_, newest) = &KERNELS[0];
        // What came after the newest series that is known here came after these faults.
        let later = compare_versions(release, newest.release) == Ordering::Greater;
        let found = format!("the kernel {running} is of a series that gets no known fixes");
        return (!later).then(|| upgrade(node, expected, found));
    };
    (compare_versions(release, fixed.release) == Ordering::Less).then(|| {
        let found = format!(
            "the kernel {running} runs, which is older than {} ({})",
            fixed.release, fixed.source
        );
        upgrade(node, expected, found)
    })
}

fn upgrade(node: &NodeName, expected: &str, found: String) -> Finding {
    Finding::warning(CHECK, expected, found).mend(format!(
        "apt update && apt full-upgrade && reboot  # on {node}, its guests stopped"
    ))
}
