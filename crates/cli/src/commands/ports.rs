//! `infra402 ports`: which ports of a container have a public address, and for whom.

use api_types::Secret;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::show;
use crate::{
    api::{Api, read},
    arguments::PortsAction,
    containers,
    failure::Failure,
    printed::{printable, table},
};

/// A published port, in what is shown of it. The access is a text, because a later service may know
/// more kinds.
#[derive(Debug, Deserialize)]
struct PublishedPort {
    port: u16,
    access: String,
    url: String,
    /// The address with its token, for a port that is opened by link.
    link: Option<Secret>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublishedPorts {
    ports: Vec<PublishedPort>,
    /// Why none of them can be opened.
    taken_down: Option<String>,
}

impl PublishedPort {
    /// The address that opens it for those whom its access names, the owner excepted.
    fn address(&self) -> &str {
        self.link.as_ref().map_or(&self.url, Secret::expose)
    }
}

pub(super) async fn run(api: &Api, action: &PortsAction) -> Result<u8, Failure> {
    match action {
        PortsAction::Ls { container } => {
            let container = containers::find(api, container).await?;
            let listed = api
                .call(Method::GET, &container.below("ports"), None)
                .await?;
            show(api, &listed, || {
                let list: PublishedPorts = read(&listed)?;
                Ok(text(&list))
            })
        }
        PortsAction::Open {
            container,
            port,
            access,
        } => {
            let container = containers::find(api, container).await?;
            let path = container.below(&format!("ports/{port}"));
            let wanted = json!({ "access": access });
            let opened = api.call(Method::PUT, &path, Some(&wanted)).await?;
            show(api, &opened, || {
                let opened: PublishedPort = read(&opened)?;
                let mut shown = printable(opened.address());
                if opened.access == "owner" {
                    shown.push_str(&format!(
                        "\nnext: infra402 ports visit {} {port}",
                        printable(&container.hostname)
                    ));
                }
                Ok(shown)
            })
        }
        PortsAction::Visit { container, port } => {
            let container = containers::find(api, container).await?;
            let path = container.below(&format!("ports/{port}/visit"));
            let visit = api.call(Method::POST, &path, None).await?;
            show(api, &visit, || {
                let address = visit["url"].as_str();
                address
                    .map(printable)
                    .ok_or_else(|| Failure::not_understood("it has no address"))
            })
        }
        PortsAction::Close { container, port } => {
            let container = containers::find(api, container).await?;
            let path = container.below(&format!("ports/{port}"));
            api.call(Method::DELETE, &path, None).await?;
            let closed = json!({"port": port, "published": false});
            show(api, &closed, || Ok(format!("port {port} is closed")))
        }
    }
}

fn text(list: &PublishedPorts) -> String {
    if list.ports.is_empty() {
        return "no published ports; publish one: infra402 ports open CONTAINER PORT".to_owned();
    }
    let row = |port: &PublishedPort| {
        vec![
            port.port.to_string(),
            port.access.clone(),
            port.address().to_owned(),
        ]
    };
    let rows: Vec<_> = list.ports.iter().map(row).collect();
    let mut lines = vec![table(&["PORT", "ACCESS", "URL"], &rows)];
    lines.extend(
        list.taken_down
            .as_ref()
            .map(|why| format!("taken down: {}", printable(why))),
    );
    lines.join("\n")
}
