//! `infra402 renew`: adds paid minutes to a lease.

use api_types::RenewResponse;
use reqwest::Method;
use serde_json::json;

use super::show;
use crate::{
    api::{Api, now, read},
    containers,
    failure::Failure,
    printed::{printable, span},
    purchase::{self, Wanted},
};

pub(super) async fn run(api: &Api, named: &str, minutes: u32) -> Result<u8, Failure> {
    let container = containers::find(api, named).await?;
    let name = printable(&container.hostname);
    let wanted = Wanted {
        method: Method::POST,
        path: container.by_number("/lease", "/renew"),
        body: Some(json!({ "runtimeMinutes": minutes })),
        what: format!("{minutes} more minutes of {name}"),
        announced: true,
        streamed: false,
    };
    let bought = purchase::buy(api, &wanted, &mut |_| {}).await?;
    let renewed: RenewResponse = read(&bought.body)?;
    show(api, &bought.body, || {
        let end = renewed.expires_at;
        Ok(format!("{name} runs for {}, until {end}", span(now(), end)))
    })
}
