//! The table that is shown once everything runs: each part, its address, whether it is simulated,
//! and how to replace it by a real one; then commands to try.

use anyhow::Result;

use super::services::{AGENT_API, INGRESS_PORT, PROXMOX_API, SERVICES, SSH_PORT, WEB_UI};
use super::settings::UpSettings;

/// Prints the table and the commands.
///
/// # Errors
/// A port variable holds no port.
pub fn print(settings: &UpSettings) -> Result<()> {
    let rows = rows(settings)?;
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    say!("\ninfra402 is up. Ctrl-C stops it.\n");
    for (index, [part, address, kind, real]) in rows.iter().enumerate() {
        let [a, b, c, _] = widths;
        say!("  {part:<a$}   {address:<b$}   {kind:<c$}   {real}");
        if index == 0 {
            say!("  {}", "-".repeat(widths.iter().sum::<usize>() + 9));
        }
    }
    let api = PROXMOX_API.address(settings)?;
    let agent = AGENT_API.address(settings)?;
    let interface = WEB_UI.address(settings)?;
    say!("\nOpen {interface} in a browser, or stay here.");
    say!("Ask what a container costs:");
    say!("  curl {api}/lease/quote --json '{{\"runtimeMinutes\":30}}'");
    if settings.simulates_payments() {
        say!("Lease one, paid with play money by a public development key:");
        say!("  cargo xtask pay POST /lease/container '{{\"runtimeMinutes\":30}}'");
    } else {
        say!("Lease one, paid with the key in PAYER_KEY:");
        say!("  PAYER_KEY=0x… cargo xtask pay POST /lease/container '{{\"runtimeMinutes\":30}}'");
    }
    say!("Ask the agent for one; it answers what is to be paid:");
    say!("  curl {agent}/chat --json '{{\"message\":\"lease 1 core for 30 minutes\"}}'");
    say!("");
    Ok(())
}

fn rows(settings: &UpSettings) -> Result<Vec<[String; 4]>> {
    let words = |cells: [&str; 4]| cells.map(str::to_owned);
    let simulator = format!(
        "https://127.0.0.1:{}",
        settings.simulator_port().unwrap_or_default()
    );
    let proxmox = if settings.simulates_proxmox() {
        let how = "set PVE_HOST, PVE_TOKEN_ID and PVE_TOKEN_SECRET in .env";
        ["Proxmox VE", &simulator, "SIMULATED", how]
    } else {
        let host = settings.get("PVE_HOST").unwrap_or_default();
        ["Proxmox VE", host, "real", "-"]
    };
    let facilitator = settings.facilitator();
    let payments = if settings.simulates_payments() {
        let how = "set FACILITATOR (a URL, cdp or onchain) and ADDRESS in .env";
        ["payments", "demo ledger, play money on", "SIMULATED", how]
    } else {
        ["payments", facilitator, "real", "-"]
    };
    let mut rows = vec![
        words(["part", "address", "", "how to make it real"]),
        words(proxmox),
        words(payments),
    ];
    if settings.simulates_payments() {
        rows[2][1] = format!("{} {}", rows[2][1], settings.network());
    }
    for service in &SERVICES {
        let address = service.address(settings)?;
        let model = match service.name {
            "agent-api" if !settings.has_language_model() => [
                "NO MODEL",
                "set OPENAI_API_KEY, FLOCKIO_API_KEY or LLM_BASE_URL in .env",
            ],
            _ => ["real", "-"],
        };
        rows.push(words([service.name, &address, model[0], model[1]]));
    }
    for (part, (variable, default)) in [
        ("published ports", INGRESS_PORT),
        ("SSH jump host", SSH_PORT),
    ] {
        let port = settings.port(variable, default)?;
        let address = format!("127.0.0.1:{port}");
        // 0 switches it off.
        if port != 0 {
            rows.push(words([part, &address, "real", "-"]));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_where_visitors_and_ssh_clients_come_in() {
        let shown = |pairs: &[(&str, &str)]| {
            let rows = rows(&UpSettings::from_pairs(pairs)).unwrap();
            let extra = rows
                .into_iter()
                .skip(6)
                .map(|[part, address, ..]| (part, address));
            extra.collect::<Vec<_>>()
        };
        let pair = |part: &str, address: &str| (part.to_owned(), address.to_owned());
        assert_eq!(
            shown(&[("SSH_PORT", "2022")]),
            [
                pair("published ports", "127.0.0.1:4080"),
                pair("SSH jump host", "127.0.0.1:2022"),
            ]
        );
        assert_eq!(shown(&[("INGRESS_PORT", "0"), ("SSH_PORT", "0")]), []);
    }
}
