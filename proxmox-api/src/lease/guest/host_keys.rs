//! Learns the SSH host keys of a container: from the log of the task that made it, or else from
//! its own files over the terminal, which Proxmox connects to this very container. A key that a
//! server at the container's address shows is never believed.

use std::time::Duration;

use ::guest::HostKeys;
use pve::{Client, ExecRequest, Upid};

use crate::{error::ApiError, lease::container::locate, state::App, store::Lease};

/// Lines of the log that are read. The keys are near its end, and a large template's log is long.
const LOG_LINES: u64 = 1000;
/// Prints the public host keys; a container may have one of them only. Dropbear keeps them in files
/// of its own.
pub const SHOW_KEYS: &str = r#"if [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null; then
    cat /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub
else
    for kind in ed25519 ecdsa; do dropbearkey -y -f "/etc/dropbear/dropbear_${kind}_host_key"; done
fi 2>/dev/null
exit 0
"#;
/// How long printing them may take.
const SHOW_TIMEOUT: Duration = Duration::from_secs(3);

/// The host keys that Proxmox printed when it made the container; none for a template without SSH.
pub async fn of_creation(client: &Client, task: &Upid) -> Option<HostKeys> {
    match client.task_log(task, 0, LOG_LINES).await {
        Ok(log) => {
            let lines = log.lines.iter().map(|line| line.t.as_str());
            Some(HostKeys::from_task_log(lines)).filter(|keys| !keys.is_empty())
        }
        Err(error) => {
            let cause = error.safe_text();
            tracing::warn!(
                error = cause,
                "the log of a creation cannot be read; the container's host keys are asked for later"
            );
            None
        }
    }
}

/// Reads the host keys over the terminal and stores them, in a task of its own, unless one reads
/// them already. The next command finds them.
pub fn learn_later(app: &App, lease: &Lease) {
    let Some(reading) = app.guest_routes.begin_reading(&lease.lease_id) else {
        return;
    };
    let (app, lease) = (app.clone(), lease.clone());
    tokio::spawn(async move {
        // Until the terminal is free again: a console waits for it.
        let _reading = reading;
        match read_from_terminal(&app, &lease).await {
            // The same ones: what answers at the address is not the container.
            Ok(Some(keys)) if lease.host_keys.as_deref() == Some(keys.to_string().as_str()) => {}
            Ok(Some(keys)) => {
                if let Err(error) = store(&app, &lease, &keys).await {
                    tracing::error!(lease.id = lease.lease_id.as_str(), %error, "the host keys of a container cannot be stored");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::info!(lease.id = lease.lease_id.as_str(), error = %error.message, "the host keys of a container cannot be read over its terminal");
            }
        }
    });
}

/// Stores the host keys, and lets SSH be tried again.
pub(super) async fn store(
    app: &App,
    lease: &Lease,
    keys: &HostKeys,
) -> Result<(), crate::store::StoreError> {
    let id = &lease.lease_id;
    app.store.set_ssh_access(id, &keys.to_string()).await?;
    app.forget_guest(id);
    Ok(())
}

async fn read_from_terminal(app: &App, lease: &Lease) -> Result<Option<HostKeys>, ApiError> {
    let location = locate::find(app, lease).await?;
    let request = ExecRequest {
        timeout: SHOW_TIMEOUT,
        // A customer's command or console has the terminal first.
        lock_timeout: Duration::ZERO,
        ..ExecRequest::new(SHOW_KEYS)
    };
    let consoles = &app.proxmox.consoles;
    let outcome = consoles.exec(&location.node, location.vmid, request, None);
    let outcome = outcome.await?;
    let keys = HostKeys::from_public_keys(&String::from_utf8_lossy(&outcome.stdout));
    Ok(Some(keys).filter(|keys| !keys.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_container_that_has_dropbear_alone_shows_its_keys_too() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("dropbearkey");
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDZ2Y4Q3mSJ6vS1j0b0zQK3o1n2q5yqkW8m7d0cX6m1G";
        let text = format!(
            "#!/bin/sh\n[ \"$3\" = /etc/dropbear/dropbear_ed25519_host_key ] || exit 1\n\
             printf '%s\\n' 'Public key portion is:' '{key} root@box' 'Fingerprint: SHA256:x'\n"
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let shown = Command::new("/bin/sh")
            .args(["-c", &SHOW_KEYS.replace("/usr/sbin/sshd", "/nowhere")])
            .env("PATH", folder.path())
            .output()
            .unwrap();
        assert!(shown.status.success(), "{shown:?}");
        let shown = String::from_utf8(shown.stdout).unwrap();
        let keys = HostKeys::from_public_keys(&shown);
        assert_eq!(keys.known_public_keys(&shown), [key]);
    }
}
