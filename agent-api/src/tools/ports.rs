//! The tools that publish a port of a container on the web. A link with its token goes to the
//! customer, not to the model.

use api_types::{PortAccess, PortList, PortRequest, PortView};
use axum::http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CallPlan, Tool, ToolClass,
    arguments::{port, whole},
    body_of, call_below,
    lease::ContainerArguments,
    show::without_nulls,
};
use crate::visible;

/// `PUT /lease/{lease}/ports/{port}`.
pub(super) struct ExposePort;
/// `GET /lease/{lease}/ports`.
pub(super) struct ListPorts;
/// `DELETE /lease/{lease}/ports/{port}`.
pub(super) struct ClosePort;

/// Which port, and for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExposeArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    ctid: u32,
    /// The port in the container, 1 to 65535.
    #[serde(deserialize_with = "port")]
    port: u32,
    /// Who may open it. Everybody only if the customer asked for that in words; the owner where
    /// absent.
    #[serde(default)]
    access: PortAccess,
}

/// Which port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    ctid: u32,
    /// The port in the container, 1 to 65535.
    #[serde(deserialize_with = "port")]
    port: u32,
}

/// Who may open a port, for the customer.
fn admitted(access: PortAccess) -> &'static str {
    match access {
        PortAccess::Owner => "its owner",
        PortAccess::Link => "those who have its link",
        PortAccess::Public => "everybody",
    }
}

/// The model's view of a port, without the link.
fn port_view(port: &PortView) -> Value {
    let link = port
        .link
        .is_some()
        .then_some("shown to the customer, not to you");
    without_nulls(json!({
        "port": port.port, "access": port.access, "url": port.url, "linkWithToken": link,
    }))
}

impl Tool for ExposePort {
    const NAME: &'static str = "expose_port";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Publishes a port of a container at a URL of its own, or changes who may open it. Free; the customer has to be signed in. \
         `owner` is private: the customer opens it in the interface. `link` gives a link that works for everyone who has it; the interface shows it. \
         `public` is for everybody on the Internet: only if the customer asked for that, who also has to confirm it. \
         What listens has to speak HTTP; it may listen on 127.0.0.1.";
    type Arguments = ExposeArguments;
    type Response = PortView;

    fn plan(arguments: ExposeArguments) -> CallPlan {
        let ExposeArguments { ctid, port, access } = arguments;
        let whom = admitted(access);
        CallPlan {
            body: body_of(&PortRequest { access }),
            // A container may have told the model to; it never sees a link, so that only this
            // access lets strangers in.
            must_be_confirmed: access == PortAccess::Public,
            title: format!("Publishing port {port} of container {ctid} for {whom}"),
            summary: format!("Publish port {port} of container {ctid} for {whom}"),
            ..call_below(Self::NAME, &Method::PUT, ctid, &format!("ports/{port}"))
        }
    }

    fn view(port: &PortView) -> Value {
        port_view(port)
    }

    fn summary(view: &PortView) -> String {
        let (port, url) = (view.port, visible::line(&view.url));
        let whom = match view.access {
            PortAccess::Owner => "you alone: open it here or from the container's card",
            PortAccess::Link => {
                "those who have its link, which is shown here and on the container's card and works for everyone who has it"
            }
            PortAccess::Public => "everybody",
        };
        format!("Port {port} is published at {url} for {whom}.")
    }
}

impl Tool for ListPorts {
    const NAME: &'static str = "list_ports";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Lists the published ports of a container with their URLs and who may open them. Free; the customer has to be signed in.";
    type Arguments = ContainerArguments;
    type Response = PortList;

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Looking at the published ports of container {ctid}"),
            summary: format!("List the published ports of container {ctid}"),
            ..call_below(Self::NAME, &Method::GET, ctid, "ports")
        }
    }

    fn view(list: &PortList) -> Value {
        let ports: Vec<_> = list.ports.iter().map(port_view).collect();
        without_nulls(json!({ "ports": ports, "takenDown": list.taken_down }))
    }

    fn summary(list: &PortList) -> String {
        let count = match list.ports.len() {
            0 => "The container has no published port.".to_owned(),
            1 => "The container has 1 published port.".to_owned(),
            many => format!("The container has {many} published ports."),
        };
        match &list.taken_down {
            Some(reason) => format!(
                "{count} None can be opened, because the operator took the container's name down: {}",
                visible::line(reason)
            ),
            None => count,
        }
    }
}

impl Tool for ClosePort {
    const NAME: &'static str = "close_port";
    const CLASS: ToolClass = ToolClass::Confirmed;
    const DESCRIPTION: &'static str = "Ends the publication of a port: its URL answers nothing any more, and links to it end. Free; the customer is asked to confirm it in the interface.";
    type Arguments = CloseArguments;
    /// It has no body.
    type Response = ();

    fn plan(arguments: CloseArguments) -> CallPlan {
        let CloseArguments { ctid, port } = arguments;
        CallPlan {
            title: format!("Closing port {port} of container {ctid}"),
            summary: format!("Close the published port {port} of container {ctid}"),
            ..call_below(Self::NAME, &Method::DELETE, ctid, &format!("ports/{port}"))
        }
    }

    fn view((): &()) -> Value {
        json!({})
    }

    fn summary((): &()) -> String {
        "The port is closed: its address answers nothing any more.".to_owned()
    }
}
