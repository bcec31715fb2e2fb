//! Whether the service can listen on the configured address.

use std::{net::SocketAddr, time::Duration};

use service::serve;

use super::Finding;

const CHECK: &str = "listen";
/// How long a process that has the port may take to respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Binds the port and releases it at once.
pub(super) async fn examine(address: SocketAddr) -> Finding {
    let expected = format!("{address} is free to listen on");
    let Err(error) = serve::bind(address, "PORT").await else {
        return Finding::ok(CHECK, &expected, "it is");
    };
    if is_this_service(address).await {
        return Finding::ok(CHECK, &expected, "this service is running there already");
    }
    Finding::error(CHECK, &expected, error.to_string())
        .mend(format!(
            "PORT={}",
            address.port().checked_add(1).unwrap_or(4021)
        ))
        .mend(format!(
            "ss -ltnp 'sport = :{}'  # who listens there",
            address.port()
        ))
}

/// Only this service has a catalog with the payee's network in it.
async fn is_this_service(address: SocketAddr) -> bool {
    let host = match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], address.port())),
        _ => address,
    };
    let ask = async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(RESPONSE_TIMEOUT)
            .build()
            .ok()?;
        let answer = client
            .get(format!("http://{host}/catalog"))
            .send()
            .await
            .ok()?;
        answer.json::<api_types::Catalog>().await.ok()
    };
    ask.await.is_some()
}
