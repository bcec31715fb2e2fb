//! Whether Proxmox answers, whether it is the host that we trust, and whether it knows the token.

use std::time::Duration;

use pve::Refusal;

use super::Finding;
use crate::proxmox::Proxmox;

/// How long a look at the certificate may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest major version that the client was written for.
const OLDEST: u32 = 8;

/// The findings, and whether it makes sense to ask further.
pub(super) async fn examine(proxmox: &Proxmox) -> (Vec<Finding>, bool) {
    let host = &proxmox.config.host;
    let error = match proxmox.client.version().await {
        Ok(version) => {
            let found = format!("Proxmox VE {} at {host}", version.version);
            let major = version
                .version
                .split('.')
                .next()
                .and_then(|text| text.parse::<u32>().ok());
            let finding = if major.is_some_and(|major| major < OLDEST) {
                Finding::warning("proxmox.connection", "Proxmox VE 8 or newer answers", found)
            } else {
                Finding::ok("proxmox.connection", "Proxmox VE 8 or newer answers", found)
            };
            return (vec![finding], true);
        }
        Err(error) => error,
    };
    let finding = match &error {
        _ if error.refusal() == Some(&Refusal::Unauthorized) => token(proxmox),
        pve::Error::Unsent { cause, .. } => unsent(host, cause).await,
        _ => Finding::error(
            "proxmox.connection",
            "Proxmox VE answers",
            error.safe_text(),
        )
        .mend(format!(
            "curl -k {host}/api2/json/version  # has to name a version or say 401"
        )),
    };
    (vec![finding], false)
}

fn token(proxmox: &Proxmox) -> Finding {
    let id = &proxmox.config.token_id;
    let (user, name) = id.split_once('!').unwrap_or((id, "svc"));
    let found =
        format!("it does not take PVE_TOKEN_ID={id} with this PVE_TOKEN_SECRET, or it has expired");
    Finding::error("proxmox.token", "Proxmox knows the token", found)
        .mend(format!(
            "pveum user token list {user}  # on the host: is it there, has it expired?"
        ))
        .mend(format!(
            "pveum user token remove {user} {name}; pveum user token add {user} {name} -privsep 0"
        ))
}

/// The certificate is looked at without trusting it: if that works, it is trust that is missing.
async fn unsent(host: &str, cause: &str) -> Finding {
    match pve::server_fingerprint(host, PATIENCE).await {
        Ok(fingerprint) => Finding::error(
            "proxmox.tls",
            "the host shows a certificate that is trusted",
            format!("it shows another one, with the fingerprint {fingerprint}"),
        )
        .mend("pvenode cert info  # on the host: compare the fingerprint of pve-ssl.pem or pveproxy-ssl.pem")
        .mend(format!("PVE_FINGERPRINT={fingerprint}")),
        Err(_) => Finding::error("proxmox.connection", "Proxmox VE answers", format!("{host}: {cause}"))
            .mend(format!("curl -k {host}/api2/json/version  # from this machine; it has to say 401"))
            .mend("PVE_HOST=https://the-host:8006  # with the scheme and the port"),
    }
}
