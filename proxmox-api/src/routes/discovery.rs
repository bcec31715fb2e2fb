//! `GET /.well-known/x402` and `GET /llms.txt`: what is sold here, for catalogues of paid services
//! and for language models.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::docs::fixed;
use crate::{
    App,
    config::Config,
    operations::registry::{self, Registration},
    payment::PaymentFlow,
    paywall::challenge,
};

/// The routes; both answers are made once, at start.
pub fn router(app: &App) -> Router<App> {
    let resources = fixed("application/json", resources(&app.config).to_string());
    let guide = fixed("text/markdown; charset=utf-8", guide(&app.config));
    Router::new()
        .route("/.well-known/x402", get(async move || resources))
        .route("/llms.txt", get(async move || guide))
}

/// The list of addresses that crawlers read, and what each asks for, in the words of a version 2
/// challenge.
fn resources(config: &Config) -> Value {
    let base = &config.public_base_url;
    // Crawlers request what is listed, so that a path with a parameter is none of it; the OpenAPI
    // document has those.
    let concrete =
        || registry::sold(config).filter(|operation| !operation.about.path.contains('{'));
    let addresses: Vec<_> = concrete()
        .map(|operation| format!("{base}{}", operation.about.path))
        .collect();
    let items: Vec<_> = concrete()
        .map(|operation| item(config, operation))
        .collect();
    json!({
        "version": 1,
        "name": "infra402",
        "description": "Time on Linux containers, paid per lease in USDC.",
        "resources": addresses,
        "items": items,
        "openapi": format!("{base}/openapi.json"),
        "documentation": format!("{base}/docs"),
        "instructions": format!("{base}/llms.txt"),
    })
}

fn item(config: &Config, operation: &Registration) -> Value {
    let about = &operation.about;
    // Rates that no payment can reach sell nothing.
    let price = (operation.default_price)(&config.tariff);
    let amount = price.map_or(u64::MAX, |price| price.total.atomic());
    let offer = challenge::offer_of(config, about, about.path, amount);
    let accepts = &offer.v2("Payment required").accepts;
    json!({
        "resource": offer.resource,
        "type": "http",
        "method": about.method.as_str(),
        "description": about.description,
        "x402Versions": if config.payments.network.v1_listed() { json!([1, 2]) } else { json!([2]) },
        "accepts": accepts,
        // What is shown is the price of the default size and time.
        "priceVaries": about.price_varies,
        "moneyMoves": match about.flow {
            PaymentFlow::DeliverThenSettle => "after delivery",
            PaymentFlow::SettleThenDeliver => "before delivery",
        },
    })
}

fn credit(config: &Config) -> String {
    let Some(rules) = &config.credit else {
        return String::new();
    };
    format!(
        "\n## Credit\n\n\
         `POST /credit/top-up` with `{{\"amount\": \"1000000\", \"key\": {{\"name\": \"agent\"}}}}` pays in a dollar and answers an API key. Requests with \
         `Authorization: Bearer <key>` are then paid without a signature each; a call costs {} from credit. 402 with the member `credit`: \
         top up. 403 `key_limit_exceeded`: the key's own limit; do not pay around it.\n\n\
         - `GET /credit`, `GET /credit/entries`: what is left, and every movement\n\
         - `GET /keys/current`: what the key may spend\n",
        rules.call_fee
    )
}

fn abuse(config: &Config) -> String {
    let notice = config.tenants.abuse_notice();
    if notice.is_empty() {
        return notice;
    }
    format!("\n## Abuse\n\n{}\n", notice.trim())
}

/// In the form of llmstxt.org: a title, a summary, then links and what to know.
fn guide(config: &Config) -> String {
    let base = &config.public_base_url;
    let (limits, network) = (&config.limits, config.payments.network);
    let notice = config.payments.play_money_notice();
    let sold: String = registry::sold(config)
        .map(|Registration { about, .. }| {
            format!(
                "- `{} {}`: {}\n",
                about.method, about.path, about.description
            )
        })
        .collect();
    format!(
        "# infra402\n\n\
         > Time on Linux containers (Proxmox LXC), paid per lease in USDC on {network} over HTTP 402 (x402, versions 1 and 2).\n\n\
         {notice}\n\n\
         ## How to lease a container\n\n\
         1. `POST {base}/lease/quote` with `{{\"runtimeMinutes\": 60, \"cores\": 1, \"memoryMB\": 512, \"diskGB\": 8}}` is free and \
            tells the price and every field that would be refused.\n\
         2. `POST {base}/lease/container` with the same body answers 402 with what to pay: version 2 in the header \
            `PAYMENT-REQUIRED`, version 1 in the body.\n\
         3. Sign the payment (EIP-3009) and send the same request with it, in `PAYMENT-SIGNATURE` (version 2) or `X-PAYMENT` \
            (version 1). Any x402 client does this by itself.\n\
         4. The answer has the container's number (`ctid`), its address, its end and, once, its password. A refusal \
            before the settlement costs nothing, and after `payment_owed` nothing has to be paid again. Send a random secret of 16 \
            characters or more as `Idempotency-Key` with it: after a lost answer the same request with the same key is given the \
            stored one, and charged once.\n\
         5. A lease takes ten seconds and more. A client that gives up sooner (Python's httpx: five) adds \
            `Prefer: respond-async`, is answered 202 once the request is admitted, and repeats it with the same key until the \
            answer is there.\n\n\
         After its end a container is stopped and its data kept for as many minutes as the last purchase bought, at most \
         {grace}; a renewal starts it again.\n\n\
         Limits: {} to {} cores, {} to {} MiB of memory, {} to {} GiB of disk, {} to {} minutes.\n\n\
         ## Paid\n\n{sold}\n\
         ## Free with a session of the wallet\n\n\
         `POST /session/challenge`, sign the text, `POST /session`; then `Authorization: Bearer <token>`.\n\n\
         - `GET /leases`, `GET /leases/{{leaseId}}`: what the wallet has\n\
         - `GET /lease/{{lease}}/usage`: what a container uses, and has sent of what is included\n\
         - `POST /lease/{{ctid}}/stop`, `POST /lease/{{ctid}}/start`: stop and start the container; the time goes on\n\
         - `DELETE /lease/{{ctid}}`: ends a lease early\n\
         - `GET /payments`: what became of each payment\n\n\
         ## Documents\n\n\
         - [OpenAPI]({base}/openapi.json): every route, body and error code\n\
         - [Catalogue]({base}/catalog): rates, limits, templates\n\
         - [x402 resources]({base}/.well-known/x402): what each paid route asks for\n{credit}{abuse}",
        limits.cores.min,
        limits.cores.max,
        limits.memory_mb.min,
        limits.memory_mb.max,
        limits.disk_gb.min,
        limits.disk_gb.max,
        limits.runtime_minutes.min,
        limits.runtime_minutes.max,
        credit = credit(config),
        abuse = abuse(config),
        grace = config.grace_seconds.div_ceil(60),
        network = network.display_name,
    )
}
