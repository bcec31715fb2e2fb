//! `infra402 rm`: destroys containers.

use std::io::IsTerminal as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::show;
use crate::{
    api::Api,
    containers::{self, Container},
    failure::{ExitStatus, Failure},
    printed::printable,
    purchase::confirmed,
};

pub(super) async fn run(api: &Api, named: &[String]) -> Result<u8, Failure> {
    let mut found: Vec<Container> = Vec::new();
    for name in named {
        let container = containers::find(api, name).await?;
        if !found.contains(&container) {
            found.push(container);
        }
    }
    let names: Vec<_> = found
        .iter()
        .map(|container| printable(&container.hostname))
        .collect();
    let names = names.join(", ");
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let question = format!("Destroy {names} with all data, now?");
    if !api.settings.yes && terminal && !confirmed(&question) {
        return Err(Failure::new(
            ExitStatus::Failed,
            "declined",
            "nothing was destroyed",
        ));
    }
    let mut ended = Vec::new();
    for container in &found {
        let path = container.by_number("/lease", "");
        ended.push(api.call(Method::DELETE, &path, None).await?);
    }
    let document: Value = json!({ "leases": ended });
    show(api, &document, || Ok(format!("destroyed {names}")))
}
