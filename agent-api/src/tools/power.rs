//! The tools that stop a container and start it again, within its paid time.

use api_types::LeaseView;
use axum::http::Method;
use serde_json::{Value, json};

use super::{CallPlan, Tool, ToolClass, call_for, lease::ContainerArguments, show::without_nulls};

/// `POST /lease/{ctid}/stop`.
pub(super) struct StopContainer;
/// `POST /lease/{ctid}/start`.
pub(super) struct StartContainer;

/// The model's view of a container that was stopped or started.
fn power_view(lease: &LeaseView) -> Value {
    without_nulls(json!({
        "leaseId": lease.lease_id, "status": lease.status, "liveStatus": lease.live_status,
        "ctid": lease.ctid, "ip": lease.ip, "expiresAt": lease.expires_at,
    }))
}

impl Tool for StopContainer {
    const NAME: &'static str = "stop_container";
    const CLASS: ToolClass = ToolClass::Confirmed;
    const DESCRIPTION: &'static str = "Stops a container; its data stays and its paid time goes on. The customer is asked to confirm it in the interface.";
    type Arguments = ContainerArguments;
    type Response = LeaseView;

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Stopping container {ctid}"),
            summary: format!("Stop container {ctid}"),
            ..call_for(
                Self::NAME,
                &Method::POST,
                ctid,
                format!("/lease/{ctid}/stop"),
            )
        }
    }

    fn view(lease: &LeaseView) -> Value {
        power_view(lease)
    }

    fn summary(lease: &LeaseView) -> String {
        let ctid = lease.ctid;
        match lease.live_status.as_deref() {
            Some("stopped") => format!("Container {ctid} is stopped; its time goes on."),
            _ => format!("Container {ctid} is about to stop."),
        }
    }
}

impl Tool for StartContainer {
    const NAME: &'static str = "start_container";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Starts a container that was stopped, within its paid time and for nothing; the customer has to be signed in. One whose time is over is started by renew_lease.";
    type Arguments = ContainerArguments;
    type Response = LeaseView;

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Starting container {ctid}"),
            summary: format!("Start container {ctid}"),
            ..call_for(
                Self::NAME,
                &Method::POST,
                ctid,
                format!("/lease/{ctid}/start"),
            )
        }
    }

    fn view(lease: &LeaseView) -> Value {
        power_view(lease)
    }

    fn summary(lease: &LeaseView) -> String {
        let ctid = lease.ctid;
        match lease.live_status.as_deref() {
            Some("running") => format!("Container {ctid} runs."),
            _ => format!("Container {ctid} is about to start."),
        }
    }
}
