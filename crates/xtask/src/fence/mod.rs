//! `cargo xtask fence`: shows which traffic each layer of the fence around tenants closes. It loads
//! the nft table that `proxmox-api doctor --setup` prints in network namespaces that stand for a
//! Proxmox host with two tenants, its LAN and the internet, tries every path out and in, and
//! compares the result with docs/TENANTS.md. It needs neither root nor Proxmox, and everything ends
//! with the namespaces.

mod cases;
mod lab;
mod printed;
mod probe;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::host;
use cases::{CASES, FenceVariant, VARIANTS};

/// The lab runs in namespaces of its own, and ends with its first process.
const UNSHARE: [&str; 8] = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];
/// Checks what a host has to allow; some hosts do not.
const CAPABILITY_CHECK: &str = "test -e /proc/sys/net/ipv6/conf/default/accept_dad && \
     ip link add up0 type bridge && nft add table inet one && nft add table bridge two";

/// Why the lab cannot be built here.
pub fn obstacle() -> Option<&'static str> {
    if !["ip", "nft", "unshare"].into_iter().all(host::has_program) {
        return Some(
            "ip, nft or unshare is not installed (Debian: apt-get install iproute2 nftables)",
        );
    }
    let allowed = Command::new("unshare")
        .args(UNSHARE)
        .args(["sh", "-c", CAPABILITY_CHECK])
        .stderr(Stdio::null())
        .status();
    (!allowed.is_ok_and(|status| status.success()))
        .then_some("this host allows no network namespaces with bridges and nft tables")
}

/// What `cargo xtask fence` runs.
#[derive(clap::Args)]
pub struct FenceArguments {
    /// Words with which the fence starts its own processes in namespaces
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    lab_command: Vec<String>,
}

/// The command `cargo xtask fence`, or one of the processes that it starts.
///
/// # Errors
/// As [`run`], or of the process.
pub fn command(arguments: &FenceArguments) -> Result<()> {
    let words: Vec<&str> = arguments.lab_command.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => run(),
        words => run_lab_command(words),
    }
}

/// Tries every path on every variant.
///
/// # Errors
/// The lab cannot be built, something does not compile, or a way is open that should be closed or
/// the other way round.
pub fn run() -> Result<()> {
    if let Some(obstacle) = obstacle() {
        bail!("the fence cannot be tried here: {obstacle}");
    }
    let this = ProgramCopy::copied()?;
    let table = printed::table()?;
    let variants = thread::scope(|scope| {
        let (this, table) = (&this, &table);
        let run = |variant| move || (variant, run_in_lab(variant, this, table));
        let runs = VARIANTS.map(|variant| scope.spawn(run(variant)));
        runs.map(|run| run.join().expect("a stage does not panic"))
    });
    let mut seen = Vec::new();
    for (variant, outcome) in variants {
        seen.push(outcome.with_context(|| format!("the lab failed: {}", variant.title))?);
    }
    print!("{}", cases::markdown(&|case, variant| seen[variant][case]));
    let wrong = cases::mismatches(&seen);
    if !wrong.is_empty() {
        bail!("the fence is not as promised:\n  {}", wrong.join("\n  "));
    }
    println!(
        "\nas promised: {} ways, {} layers",
        CASES.len(),
        VARIANTS.len()
    );
    Ok(())
}

/// A copy of this program, which the lab runs. Tests build this program again, so that its own file
/// may be replaced.
struct ProgramCopy(PathBuf);

impl ProgramCopy {
    fn copied() -> Result<Self> {
        let own = std::env::current_exe().context("where this program is")?;
        let folder = own.parent().context("where this program is")?;
        let copy = folder.join(format!("xtask-fence-{}", std::process::id()));
        // Readable although its name is gone.
        std::fs::copy("/proc/self/exe", &copy).context("this program cannot be copied")?;
        Ok(Self(copy))
    }
}

impl Drop for ProgramCopy {
    fn drop(&mut self) {
        // A copy that stays in the target folder does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts the lab and gives, for each case, whether the path is open.
fn run_in_lab(variant: FenceVariant, this: &ProgramCopy, table: &str) -> Result<Vec<bool>> {
    let mut lab = Command::new("unshare")
        .args(UNSHARE)
        .arg(&this.0)
        .args(["fence", "lab", variant.name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run unshare")?;
    let mut input = lab.stdin.take().expect("its input is piped");
    input
        .write_all(table.as_bytes())
        .context("the table does not reach the lab")?;
    drop(input);
    let output = lab.stdout.take().expect("its output is piped");
    let mut open = vec![None; CASES.len()];
    for line in BufReader::new(output).lines() {
        let line = line.context("the lab's output")?;
        let (case, answer) = line.split_once(' ').context("a row of the lab")?;
        let case: usize = case.parse().with_context(|| format!("the case {case:?}"))?;
        *open.get_mut(case).context("a row that there is not")? = Some(answer == "open");
    }
    let status = lab.wait().context("the lab's end")?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    let all: Option<Vec<bool>> = open.into_iter().collect();
    all.context("it left out a row")
}

/// The lab's own processes, which are started from this program.
fn run_lab_command(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["lab", variant] => lab::run(cases::variant(variant)?),
        ["serve", name, ports @ ..] => probe::serve(name, ports),
        ["receive", port] => probe::receive(port),
        ["tcp", address, name] => probe::tcp(address, name),
        ["udp", address, name] => probe::udp(address, name),
        ["flood", source, address, text] => probe::flood(source, address, text),
        ["send", source, address, text] => probe::send(source, address, text),
        _ => bail!("the fence has no part {arguments:?}"),
    }
}
