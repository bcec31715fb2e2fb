//! Gives SSH to a container that lacks it, at its owner's wish and over its terminal: installs the
//! distribution's server if there is none, lays the service's key, starts the server, and learns
//! the host keys.

use std::time::Duration;

use ::guest::HostKeys;
use api_types::{ErrorCode, GuestAccess};
use pve::ExecRequest;
use tokio::time::timeout;

use super::{
    connect,
    host_keys::{self, SHOW_KEYS},
    shell::quoted,
};
use crate::{error::ApiError, lease::container::locate, state::App, store::Lease};

/// How long the installation may take in the container.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(280);
/// How long the owner waits; the work goes on after that.
const OWNER_TIMEOUT: Duration = Duration::from_secs(25);
/// How long a terminal in use is waited for.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The exit status for a container without a package manager that is known here.
const NO_INSTALLER: i32 = 69;

/// What the installation says, in the container. Only root can write into this folder: in `/tmp`
/// another user of the container could have put a link to a file of root's in its place.
const LOG: &str = "/var/log/infra402-ssh.log";

/// `line` is the service's line of `authorized_keys`. It prints nothing: [`SHOW_KEYS`] follows. A
/// container without systemd as its first process may have its programs.
const SET_UP: &str = r#"mkdir -p /var/log && rm -f "$log" && (umask 077 && : >"$log") || exit 73
{
has_openssh() { [ -x /usr/sbin/sshd ] || command -v sshd; }
has_server() { has_openssh || command -v dropbear; }
has_sftp() {
    for file in openssh/sftp-server ssh/sftp-server sftp-server; do
        if [ -x "/usr/lib/$file" ] || [ -x "/usr/libexec/$file" ]; then return 0; fi
    done
    has_openssh &&
        grep -s '^[[:space:]]*Subsystem.*internal-sftp' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf
}
listens() { grep -s ':0016 0*:0000 0A' /proc/net/tcp /proc/net/tcp6; }
lay() {
    grep -qxF -e "$1" /root/.ssh/authorized_keys || printf '\n%s\n' "$1" >>/root/.ssh/authorized_keys
}
if ! has_server || ! has_sftp; then
    packages='openssh-server openssh-sftp-server'
    if has_server; then packages=openssh-sftp-server; fi
    if command -v apt-get; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends $packages
    elif command -v dnf; then dnf -q -y install openssh-server
    elif command -v apk; then apk add -q $packages
    elif command -v zypper; then zypper -nq install openssh-server
    elif command -v pacman; then pacman -Sy --noconfirm --needed openssh
    elif ! has_server; then exit 69
    fi
    has_server || exit 70
fi
if command -v ssh-keygen; then ssh-keygen -A; fi
umask 077
mkdir -p /root/.ssh && touch /root/.ssh/authorized_keys && lay "$line" || exit 73
if ! has_openssh; then
    # Dropbear leaves lines out whose options it does not know.
    lay "no-agent-forwarding,no-X11-forwarding ssh-ed25519 ${line#* ssh-ed25519 }" || exit 73
fi
if [ -d /run/systemd/system ]; then
    systemctl enable --now ssh.service || systemctl enable --now sshd.service ||
        systemctl enable --now ssh.socket
elif command -v rc-service; then
    rc-update add sshd default
    rc-service sshd start
fi
if ! listens; then
    mkdir -p /run/sshd
    "$(command -v /usr/sbin/sshd || command -v sshd || command -v dropbear)"
fi
} >"$log" 2>&1 </dev/null
"#;

/// The result of the owner's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetUpOutcome {
    /// It is done; the way that is used now.
    Done(GuestAccess),
    /// The container still installs its server.
    Soon,
}

/// Sets SSH up in the container of an active lease, which the caller has found to be its owner's.
///
/// # Errors
/// The operator uses no SSH, the terminal is in use, or the container
/// cannot do it.
pub async fn set_up(app: &App, lease: &Lease) -> Result<SetUpOutcome, ApiError> {
    if !app.config.guest.ssh {
        let message = "The operator of this service does not use SSH into containers.";
        return Err(ApiError::new(ErrorCode::SshUnavailable, message));
    }
    // In a task of its own: an owner who hangs up leaves no half-installed server.
    let work = tokio::spawn(work(app.clone(), lease.clone()));
    match timeout(OWNER_TIMEOUT, work).await {
        Ok(Ok(done)) => done.map(SetUpOutcome::Done),
        Ok(Err(error)) => {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "the work to set up SSH broke off");
            let message = "It broke off half way; try again.";
            Err(ApiError::new(ErrorCode::Internal, message))
        }
        Err(_) => Ok(SetUpOutcome::Soon),
    }
}

async fn work(app: App, lease: Lease) -> Result<GuestAccess, ApiError> {
    let location = locate::find(&app, &lease).await?;
    let line = connect::authorized_line(&app, &lease.lease_id);
    let request = ExecRequest {
        timeout: INSTALL_TIMEOUT,
        lock_timeout: TERMINAL_TIMEOUT,
        ..ExecRequest::new(format!(
            "line={} log={LOG}\n{SET_UP}{SHOW_KEYS}",
            quoted(&line)
        ))
    };
    let consoles = &app.proxmox.consoles;
    let outcome = consoles.exec(&location.node, location.vmid, request, None);
    let outcome = outcome.await?;
    if outcome.exit_code != 0 || outcome.timed_out {
        return Err(failed(&lease, outcome.exit_code));
    }
    let keys = HostKeys::from_public_keys(&String::from_utf8_lossy(&outcome.stdout));
    if keys.is_empty() {
        return Err(failed(&lease, outcome.exit_code));
    }
    host_keys::store(&app, &lease, &keys).await?;
    app.record_event(&lease.lease_id, "ssh_set_up", serde_json::json!({}))
        .await;
    connect::try_now(&app, &lease.lease_id).await;
    let lease = app.store.lease(&lease.lease_id).await?.unwrap_or(lease);
    Ok(connect::access(&app, &lease))
}

fn failed(lease: &Lease, exit_code: i32) -> ApiError {
    tracing::info!(
        lease.id = lease.lease_id.as_str(),
        exit_code,
        "a container did not set SSH up"
    );
    let message = match exit_code {
        NO_INSTALLER => "The container has no package manager that this service knows.".to_owned(),
        _ => format!("The container could not set SSH up; {LOG} in it says why."),
    };
    ApiError::new(ErrorCode::SshUnavailable, message)
        .advise("install an SSH server in it and send the request again")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn what_the_installation_says_goes_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("bin")).unwrap();
        for name in ["systemctl", "ssh-keygen", "apt-get"] {
            let program = path("bin").join(name);
            std::fs::write(&program, "#!/bin/sh\necho said >&2\n").unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let victim = path("victim");
        std::fs::write(&victim, "kept").unwrap();
        let log = path("infra402-ssh.log");
        symlink(&victim, &log).unwrap();
        let here = folder.path().to_str().unwrap();
        let script = SET_UP
            .replace("/var/log", here)
            .replace("/root", here)
            .replace("/usr/sbin/sshd", "/bin/true");
        let script = format!("line=key log={}\n{script}{SHOW_KEYS}", log.display());
        let ran = Command::new("sh")
            .args(["-c", &script])
            .env("PATH", format!("{here}/bin:/usr/bin:/bin"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
        assert!(std::fs::symlink_metadata(&log).unwrap().is_file());
        assert!(std::fs::read_to_string(&log).unwrap().contains("said"));
        let folder = std::path::Path::new(LOG).parent();
        assert_eq!(folder, Some("/var/log".as_ref()), "root's alone");
    }
}
