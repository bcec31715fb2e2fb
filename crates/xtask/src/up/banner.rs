//! What a person sees when everything runs: each part, its address, whether it is real, and how to make it real; then a line
//! to try.

use super::settings::Settings;

/// Prints the table and what to try.
pub fn print(settings: &Settings, api_port: u16) {
    let rows = rows(settings, api_port);
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    println!("\ninfra402 is up. Ctrl-C stops it.\n");
    for (index, [part, address, kind, real]) in rows.iter().enumerate() {
        let [a, b, c, _] = widths;
        println!("  {part:<a$}   {address:<b$}   {kind:<c$}   {real}");
        if index == 0 {
            println!("  {}", "-".repeat(widths.iter().sum::<usize>() + 9));
        }
    }
    println!("\nAsk what a container costs:");
    println!(
        "  curl http://127.0.0.1:{api_port}/lease/quote --json '{{\"sku\":\"small\",\"runtimeMinutes\":60}}'\n"
    );
}

fn rows(settings: &Settings, api_port: u16) -> Vec<[String; 4]> {
    let words = |cells: [&str; 4]| cells.map(str::to_owned);
    let proxmox = if settings.simulates_proxmox() {
        let port = settings.simulator_port().unwrap_or_default();
        let address = format!("https://127.0.0.1:{port}");
        words([
            "Proxmox VE",
            &address,
            "SIMULATED",
            "set PVE_HOST, PVE_TOKEN_ID, PVE_TOKEN_SECRET and PVE_NODE in .env",
        ])
    } else {
        words([
            "Proxmox VE",
            settings.get("PVE_HOST").unwrap_or_default(),
            "real",
            "-",
        ])
    };
    // The API quotes; it has no paid route yet, so nobody settles anything.
    let payments = words([
        "payments",
        &format!("quoted in {}", settings.network()),
        "NOT YET",
        "the paid routes are to come: nothing can be leased so far",
    ]);
    let api = words([
        "proxmox-api",
        &format!("http://127.0.0.1:{api_port}"),
        "real",
        "-",
    ]);
    vec![
        words(["part", "address", "", "how to make it real"]),
        proxmox,
        payments,
        api,
    ]
}
