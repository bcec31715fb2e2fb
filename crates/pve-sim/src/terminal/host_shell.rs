//! An unconfined shell of the host, for tests. `poweroff` and `halt` in it stop the simulated
//! container and never the host, which a desktop's user might be allowed to power off.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use portable_pty::CommandBuilder;
use tokio::sync::mpsc;

use super::host_user;

/// The folder in a container's home that comes first in `PATH`.
const PROGRAMS: &str = ".bin";

/// Exists once the container was powered off from inside.
const POWERED_OFF: &str = ".powered-off";

/// Marks the container as powered off and ends the terminal's session, whose leader is the sixth
/// field in `/proc/PID/stat`.
const POWER_OFF: &str = "#!/bin/sh
: >\"${0%/.bin/*}/.powered-off\"
read -r pid name state parent group session rest </proc/$$/stat
kill -KILL \"$session\"
";

/// Fills a new home.
pub(super) fn fill_home(home: &Path) -> io::Result<()> {
    let programs = home.join(PROGRAMS);
    fs::create_dir(&programs)?;
    for name in ["poweroff", "halt"] {
        let program = programs.join(name);
        fs::write(&program, POWER_OFF)?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// In a home: the folder of programs that come first, and the mark of a container that was powered
/// off.
pub(super) fn marks(home: &Path) -> (PathBuf, PathBuf) {
    (home.join(PROGRAMS), home.join(POWERED_OFF))
}

/// The shell as an ordinary user, never as root.
pub(super) fn command(shell: &Path, home: &Path) -> CommandBuilder {
    let mut arguments = host_user::ordinary_user();
    arguments.push(shell.display().to_string());
    if shell.file_name().is_some_and(|name| name == "busybox") {
        arguments.push("ash".into());
    }
    let mut command = CommandBuilder::new(&arguments[0]);
    command.args(&arguments[1..]);
    command.env_clear();
    command.env("HOME", home);
    command.env("TMPDIR", home);
    let programs = home.join(PROGRAMS);
    command.env(
        "PATH",
        format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()),
    );
    command.env("TERM", "xterm-256color");
    // As root in a container sees it.
    command.env("PS1", "# ");
    command.cwd(home);
    command
}

/// Waits for the end of a session, and calls `power_off` if the container was powered off in it.
pub(super) async fn watch(mut screen: mpsc::Receiver<Bytes>, home: PathBuf, power_off: impl Fn()) {
    while screen.recv().await.is_some() {}
    if fs::remove_file(home.join(POWERED_OFF)).is_ok() {
        power_off();
    }
}
