//! Whether commands and consoles will find an account that Proxmox lets in.

use pve::{Auth, Refusal};

use super::{Finding, unanswered};
use crate::proxmox::{Proxmox, connect};

const CHECK: &str = "proxmox.console";

/// Signs the console account in, where there is one.
pub(super) async fn examine(proxmox: &Proxmox) -> Option<Finding> {
    let Some(account) = &proxmox.config.console else {
        return Some(Finding::ok(
            CHECK,
            "commands and consoles use the token",
            "they do; hosts with a pve-container older than 6.1.3 need PVE_CONSOLE_USER, which the first command would say",
        ));
    };
    let user = &account.user;
    let expected = format!("{user} can sign in and has VM.Console on the pool");
    let password = pve::Secret::new(account.password.expose());
    let client = match connect(&proxmox.config, Auth::password(user, password)) {
        Ok(client) => client,
        Err(error) => return Some(Finding::error(CHECK, &expected, error.to_string())),
    };
    let path = format!("/pool/{}", proxmox.config.pool);
    Some(match client.permissions(Some(&path)).await {
        Ok(permissions) if permissions.grants(&path, "VM.Console") => {
            Finding::ok(CHECK, &expected, "it does")
        }
        Ok(_) => Finding::error(CHECK, &expected, format!("it lacks VM.Console on {path}"))
            .mend("pveum role add Infra402Console -privs \"VM.Console\"")
            .mend(format!(
                "pveum acl modify {path} -user {user} -role Infra402Console"
            )),
        Err(error) if error.refusal() == Some(&Refusal::Unauthorized) => {
            Finding::error(CHECK, &expected, "Proxmox does not take its password")
                .mend(format!("pveum passwd {user}  # then PVE_CONSOLE_PASSWORD"))
        }
        Err(error) => unanswered(CHECK, &expected, &error),
    })
}
