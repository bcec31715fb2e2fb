//! `infra402 lease`: leases a container, with progress, and perhaps opens a shell in it.

use api_types::LeaseResponse;
use reqwest::Method;

use super::{quote, show, ssh};
use crate::{
    api::{Api, now, read},
    arguments::LeaseArguments,
    containers::Container,
    failure::Failure,
    printed::{printable, span},
    purchase::{self, Wanted, events::Event},
};

pub(super) async fn run(api: &Api, wanted: &LeaseArguments, shell: bool) -> Result<u8, Failure> {
    let bought = Wanted {
        method: Method::POST,
        path: "/lease/container".to_owned(),
        body: Some(quote::body(wanted)?),
        what: format!("a lease of {} minutes", wanted.minutes),
        announced: true,
        streamed: true,
    };
    let settings = api.settings.clone();
    let mut listen = |event: &Event| {
        let step = event.data["step"].as_str().unwrap_or_default();
        match step {
            "creating" => settings.progress("making the container …"),
            "starting" => settings.progress("starting it …"),
            "probing" => settings.progress("waiting until it answers …"),
            "settling" => settings.progress("paying …"),
            _ => {}
        }
    };
    let bought = purchase::buy(api, &bought, &mut listen).await?;
    let lease: LeaseResponse = read(&bought.body)?;
    show(api, &bought.body, || Ok(text(&lease)))?;
    if !shell {
        return Ok(0);
    }
    let container = Container {
        lease_id: lease.lease_id,
        ctid: lease.ctid,
        hostname: lease.hostname,
        created_at: api_types::Timestamp(now()),
    };
    ssh::connect(api, &container).await
}

fn text(lease: &LeaseResponse) -> String {
    let name = printable(&lease.hostname);
    let mut lines = vec![
        format!(
            "{name} runs for {}, until {}",
            span(now(), lease.expires_at),
            lease.expires_at
        ),
        format!("  number    {}", lease.ctid),
        format!("  lease     {}", printable(&lease.lease_id)),
    ];
    if let Some(ip) = &lease.ip {
        lines.push(format!("  address   {}", printable(ip)));
    }
    if let Some(password) = &lease.password {
        let password = printable(password.expose());
        lines.push(format!("  password  {password}  (root's; shown this once)"));
    }
    if let Some(at) = lease.network_ready_at {
        lines.push(format!("  its network can be used from {at} on"));
    }
    lines.push(format!("  price     {}", lease.price.total));
    lines.push(format!("next: infra402 exec {name} uname -a"));
    lines.join("\n")
}
