//! The tools that show the way into a container, and that set SSH up in it.

use api_types::{GuestAccess, GuestRoute};
use axum::http::Method;
use serde_json::{Value, json};

use super::{
    CallPlan, Tool, ToolClass, call_below, lease::ContainerArguments, show::without_nulls,
};

/// How long the lease API waits for the installation of an SSH server, in seconds.
const SET_UP_SECONDS: u32 = 30;

/// `GET /lease/{lease}/access`.
pub(super) struct GetContainerAccess;
/// `POST /lease/{lease}/access`.
pub(super) struct SetUpContainerSsh;

fn access_view(access: &GuestAccess) -> Value {
    without_nulls(json!({
        "via": access.via, "reason": access.reason, "canSetUp": access.can_set_up,
        "temporary": access.temporary.then_some(true),
    }))
}

fn access_summary(access: &GuestAccess) -> String {
    let reason = access.reason.as_deref().unwrap_or_default();
    let text = match access.via {
        GuestRoute::Ssh => {
            "The container is reached over SSH: files and background commands can be used."
                .to_owned()
        }
        GuestRoute::Terminal => {
            let later = match access.temporary {
                true => " SSH may come about by itself in a moment.",
                false => "",
            };
            format!("The container is reached over its terminal only. {reason}{later}")
        }
    };
    text.trim_end().to_owned()
}

impl Tool for GetContainerAccess {
    const NAME: &'static str = "get_container_access";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Says whether a container is reached over SSH, which files, background commands and the options of commands need, or over its terminal only, and why; `temporary` means that SSH may come about by itself, so that it is worth another look in some seconds. The customer has to be signed in.";
    type Arguments = ContainerArguments;
    type Response = GuestAccess;

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Looking at the way into container {ctid}"),
            summary: format!("Show the way into container {ctid}"),
            ..call_below(Self::NAME, &Method::GET, ctid, "access")
        }
    }

    fn view(access: &GuestAccess) -> Value {
        access_view(access)
    }

    fn summary(access: &GuestAccess) -> String {
        access_summary(access)
    }
}

impl Tool for SetUpContainerSsh {
    const NAME: &'static str = "set_up_container_ssh";
    const CLASS: ToolClass = ToolClass::Confirmed;
    const DESCRIPTION: &'static str = "Installs an SSH server with this service's key in a container that get_container_access says lacks it (`canSetUp`). Free; the customer is asked to confirm it in the interface.";
    type Arguments = ContainerArguments;
    type Response = GuestAccess;

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Setting SSH up in container {ctid}"),
            summary: format!("Install an SSH server with this service's key in container {ctid}"),
            more_seconds: SET_UP_SECONDS,
            ..call_below(Self::NAME, &Method::POST, ctid, "access")
        }
    }

    fn view(access: &GuestAccess) -> Value {
        access_view(access)
    }

    fn summary(access: &GuestAccess) -> String {
        access_summary(access)
    }
}
