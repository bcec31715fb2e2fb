//! Whether Proxmox answers, whether its certificate is the trusted one, and whether it knows the
//! token.

use std::time::Duration;

use pve::{ConfigError, Distrust, HostProbe, Refusal, Version};

use super::Finding;
use crate::{config::TlsTrust, proxmox::Proxmox};

/// How long the host may take to show its certificate.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(5);
/// The oldest major version that the client supports.
const OLDEST: u32 = 8;
const CHECK: &str = "proxmox.connection";
const TLS: &str = "proxmox.tls";

/// What the host shows without an account.
pub(super) async fn probe_host(host: &str) -> Result<HostProbe, ConfigError> {
    pve::probe_host(host, GLANCE_TIMEOUT).await
}

/// The result of the first request with the token.
pub(super) enum TokenCheck {
    /// The host's release.
    Release(Version),
    /// The host is trusted and does not know the token.
    UnknownToken,
    /// The request failed, so that further requests would fail as well.
    None,
}

/// Examines whether the host answers, is trusted, and knows the token.
pub(super) async fn examine(
    proxmox: &Proxmox,
    seen: &Result<HostProbe, ConfigError>,
) -> (Vec<Finding>, TokenCheck) {
    let host = &proxmox.config.host;
    match proxmox.client.version().await {
        Ok(version) => {
            let found = format!("Proxmox VE {} at {host}", version.version);
            let expected = format!("Proxmox VE {OLDEST} or newer answers");
            let finding = if major(&version).is_some_and(|major| major < OLDEST) {
                Finding::warning(CHECK, &expected, found)
                    .mend("upgrade the host; older releases were never tried")
            } else {
                Finding::ok(CHECK, &expected, found)
            };
            (
                vec![finding, trusted(proxmox)],
                TokenCheck::Release(version),
            )
        }
        Err(error) if error.refusal() == Some(&Refusal::Unauthorized) => {
            let there = Finding::ok(CHECK, "Proxmox VE answers", format!("it does, at {host}"));
            (vec![there, trusted(proxmox)], TokenCheck::UnknownToken)
        }
        Err(error) => (vec![refused(proxmox, seen, &error)], TokenCheck::None),
    }
}

/// The first number of a release.
pub(super) fn major(version: &Version) -> Option<u32> {
    version.version.split('.').next()?.parse().ok()
}

fn trusted(proxmox: &Proxmox) -> Finding {
    let expected = "the host's certificate is trusted";
    let how = match &proxmox.config.tls {
        TlsTrust::System => "by this system's authorities",
        TlsTrust::CaFile(_) => "by PVE_CA_FILE",
        TlsTrust::Fingerprint(_) => "by PVE_FINGERPRINT",
        // This has a warning of its own.
        TlsTrust::Insecure => "unchecked",
    };
    Finding::ok(TLS, expected, how)
}

fn refused(
    proxmox: &Proxmox,
    seen: &Result<HostProbe, ConfigError>,
    error: &pve::Error,
) -> Finding {
    let host = &proxmox.config.host;
    if let (Some(distrust), Ok(seen)) = (error.distrust(), seen) {
        return distrusted(proxmox, seen, distrust);
    }
    let curl = format!("curl -k {host}/api2/json/version  # from this machine; it has to say 401");
    let finding = Finding::error(CHECK, "Proxmox VE answers", error.safe_text()).mend(curl);
    match (error, host.strip_prefix("http://")) {
        // A host with TLS redirects plain requests.
        (_, Some(rest)) => finding.mend(format!("PVE_HOST=https://{rest}")),
        (pve::Error::Unsent { .. }, None) => {
            finding.mend("PVE_HOST=https://the-host:8006  # with the scheme and the port")
        }
        _ => finding,
    }
}

/// The certificate is read without trusting it, so that it can be shown.
fn distrusted(proxmox: &Proxmox, seen: &HostProbe, distrust: Distrust) -> Finding {
    let host = &proxmox.config.host;
    let expected = "the host's certificate is trusted";
    let Some(fingerprint) = seen.fingerprint.filter(|_| distrust != Distrust::NoTls) else {
        return Finding::error(TLS, "the host speaks TLS", "something there does not")
            .mend(format!("curl -vk {host}/  # shows what answers"));
    };
    let found = match distrust {
        Distrust::Date => "it ran out, or is not valid yet",
        Distrust::Name => "it is for other names than that in PVE_HOST",
        Distrust::Pin => "it is not the one in PVE_FINGERPRINT",
        Distrust::Issuer | Distrust::NoTls => {
            "nobody who is trusted has signed it, as is usual for a new Proxmox host"
        }
    };
    let finding = Finding::error(
        TLS,
        expected,
        format!("{found}; its SHA-256 fingerprint is {fingerprint}"),
    );
    let compare = "pvenode cert info  # on the host: only if it shows that fingerprint, too, set:";
    let pin = format!("PVE_FINGERPRINT={fingerprint}");
    match distrust {
        Distrust::Date => finding
            .mend("pvecm updatecerts --force && systemctl restart pveproxy  # on the host; or pvenode acme cert renew")
            .mend(compare)
            .mend(pin),
        Distrust::Name => finding
            .mend("PVE_HOST=https://the-name-in-the-certificate:8006")
            .mend(compare)
            .mend(pin),
        Distrust::Pin | Distrust::Issuer | Distrust::NoTls => finding
            .mend(compare)
            .mend(pin)
            .mend("PVE_CA_FILE=pve-root-ca.pem  # a copy of /etc/pve/pve-root-ca.pem"),
    }
}

/// The finding about a token that the host does not know.
pub(super) fn unknown_token(proxmox: &Proxmox) -> Finding {
    let id = &proxmox.config.token_id;
    let (user, name) = id.split_once('!').unwrap_or((id, "svc"));
    let mut found =
        format!("it does not take PVE_TOKEN_ID={id} with this PVE_TOKEN_SECRET, or it has expired");
    if !is_uuid(proxmox.config.token_secret.expose()) {
        found.push_str("; PVE_TOKEN_SECRET is no UUID, as every token's secret is");
    }
    Finding::error("proxmox.token", "Proxmox knows the token", found)
        .mend(format!(
            "pveum user token list {user}  # on the host: is it there, has it expired?"
        ))
        .mend(format!(
            "pveum user token remove {user} {name}; pveum user token add {user} {name} -privsep 0"
        ))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}
