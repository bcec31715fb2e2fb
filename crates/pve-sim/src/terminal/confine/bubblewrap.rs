//! Confinement by `bwrap`, 0.8 or newer, which can forbid user namespaces inside.

use std::path::Path;

use super::{GUEST, MASKED_FILES, MASKED_FOLDERS, own_system};

/// Bytes that a container may put into `/dev/shm`.
const SHARED_MEMORY: &str = "16777216";

/// The words before a command that is to run in the root folder.
pub(super) fn arguments(root: &Path, hostname: &str, program: Option<&Path>) -> Vec<String> {
    let root = root.display().to_string();
    let mut arguments: Vec<String> = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--uid",
        "0",
        "--gid",
        "0",
        "--hostname",
        hostname,
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--as-pid-1",
        "--bind",
        &root,
        "/",
        "--ro-bind",
        "/usr",
        "/usr",
    ]
    .map(String::from)
    .into();
    for folder in own_system() {
        arguments.extend(["--ro-bind".to_owned(), folder.clone(), folder]);
    }
    arguments.extend(["--proc", "/proc"].map(String::from));
    let there = |name: &&&str| Path::new("/proc").join(name).exists();
    for name in MASKED_FILES.iter().filter(there) {
        arguments.extend(["--ro-bind", "/dev/null"].map(String::from));
        arguments.push(format!("/proc/{name}"));
    }
    for name in MASKED_FOLDERS.iter().filter(there) {
        for option in ["--tmpfs", "--remount-ro"] {
            arguments.extend([option.to_owned(), format!("/proc/{name}")]);
        }
    }
    // Files in `/dev` would be in the host's memory, without a limit.
    let devices = ["--dev", "/dev", "--size", SHARED_MEMORY, "--tmpfs"];
    arguments.extend(devices.map(String::from));
    arguments.push("/dev/shm".into());
    if let Some(program) = program {
        let program = program.display().to_string();
        arguments.extend(["--ro-bind".into(), program, GUEST.into()]);
    }
    arguments.extend(["--remount-ro", "/dev", "--chdir", "/root"].map(String::from));
    arguments
}
