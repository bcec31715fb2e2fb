//! `infra402 stop`, `infra402 start`.

use reqwest::Method;

use super::show;
use crate::{api::Api, containers, failure::Failure, printed::printable};

pub(super) async fn run(api: &Api, named: &str, action: &str) -> Result<u8, Failure> {
    let container = containers::find(api, named).await?;
    let path = container.by_number("/lease", &format!("/{action}"));
    let lease = api.call(Method::POST, &path, None).await?;
    show(api, &lease, || {
        let live = lease["liveStatus"]
            .as_str()
            .unwrap_or("in the state that was wanted");
        Ok(format!(
            "{} is {}",
            printable(&container.hostname),
            printable(live)
        ))
    })
}
