//! `infra402 rm`: destroys machines.

use std::io::IsTerminal as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::show;
use crate::{
    api::Api,
    failure::{ExitStatus, Failure},
    machines::{self, Machine},
    printed::printable,
    purchase::confirmed,
};

pub(super) async fn run(api: &Api, named: &[String]) -> Result<u8, Failure> {
    let mut found: Vec<Machine> = Vec::new();
    for name in named {
        let machine = machines::find(api, name).await?;
        if !found.contains(&machine) {
            found.push(machine);
        }
    }
    let names: Vec<_> = found.iter().map(|machine| printable(&machine.hostname)).collect();
    let names = names.join(", ");
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let question = format!("Destroy {names} with all data, now?");
    if !api.settings.yes && terminal && !confirmed(&question) {
        return Err(Failure::new(ExitStatus::Failed, "declined", "nothing was destroyed"));
    }
    let mut ended = Vec::new();
    for machine in &found {
        let path = machine.by_number("/lease", "");
        ended.push(api.call(Method::DELETE, &path, None).await?);
    }
    let document: Value = json!({ "leases": ended });
    show(api, &document, || Ok(format!("destroyed {names}")))
}
