//! The routes about the published ports of a lease's container.

use api_types::{PortAccess, PortList, PortRequest, PortView, PortVisit};

use super::LeaseApi;
use crate::http::{HttpRequest, RequestError};

impl LeaseApi {
    /// The published ports, by number.
    ///
    /// # Errors
    /// The request failed; so with all methods below.
    pub async fn ports(&self, lease: &str) -> Result<PortList, RequestError> {
        self.read(self.get(&format!("/lease/{lease}/ports"))).await
    }

    /// Publishes a port, or changes who may open it.
    pub async fn publish_port(
        &self,
        lease: &str,
        port: u16,
        access: PortAccess,
    ) -> Result<PortView, RequestError> {
        let body = serde_json::to_string(&PortRequest { access });
        let body = body.expect("the contract's types are JSON");
        let request = HttpRequest::new("PUT", self.url(&path(lease, port))).json(body);
        self.read(self.signed_in(request)).await
    }

    /// Ends the publication of a port.
    pub async fn close_port(&self, lease: &str, port: u16) -> Result<(), RequestError> {
        let request = HttpRequest::new("DELETE", self.url(&path(lease, port)));
        self.send_only(self.signed_in(request)).await
    }

    /// An address, good once, by which the owner opens a port in the browser.
    pub async fn visit_port(&self, lease: &str, port: u16) -> Result<PortVisit, RequestError> {
        let url = self.url(&format!("{}/visit", path(lease, port)));
        self.read(self.signed_in(HttpRequest::new("POST", url)))
            .await
    }
}

fn path(lease: &str, port: u16) -> String {
    format!("/lease/{lease}/ports/{port}")
}
