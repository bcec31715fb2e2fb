//! `infra402 quote`: what a lease would cost. It needs no wallet.

use std::fs;

use api_types::{LeaseRequest, QuoteResponse};
use serde_json::Value;

use super::show;
use crate::{
    api::{Api, json, read},
    arguments::LeaseArguments,
    failure::{ExitStatus, Failure},
    printed::{printable, table},
};

pub(super) async fn run(api: &Api, wanted: &LeaseArguments) -> Result<u8, Failure> {
    let request = api
        .http()
        .post(api.url("/lease/quote"))
        .json(&body(wanted)?);
    let quoted = json(api.free(request).await?).await?;
    let quote: QuoteResponse = read(&quoted)?;
    show(api, &quoted, || Ok(text(&quote)))?;
    // The document says why already; the status says it to scripts.
    match quote.acceptable {
        true => Ok(0),
        false => Ok(ExitStatus::Failed.number()),
    }
}

/// The request of a lease.
pub(super) fn request(wanted: &LeaseArguments) -> Result<LeaseRequest, Failure> {
    let mut request = LeaseRequest {
        runtime_minutes: wanted.minutes,
        hostname: wanted.name.clone(),
        template: wanted.template.clone(),
        ..LeaseRequest::default()
    };
    if let Some(size) = wanted.size {
        (request.cores, request.memory_mb, request.disk_gb) =
            (size.cores, size.memory.0, size.disk_gb);
    }
    request.cores = wanted.cores.unwrap_or(request.cores);
    request.memory_mb = wanted.memory.map_or(request.memory_mb, |memory| memory.0);
    request.disk_gb = wanted.disk.unwrap_or(request.disk_gb);
    if let Some(file) = &wanted.ssh_key {
        let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
        if text.contains("PRIVATE KEY") {
            let message = format!("{} is a private key, and is not sent", file.display());
            return Err(Failure::usage(message).advise("name the file that ends in .pub"));
        }
        request.ssh_public_key = Some(text.trim().to_owned());
    }
    Ok(request)
}

/// The same as JSON.
pub(super) fn body(wanted: &LeaseArguments) -> Result<Value, Failure> {
    serde_json::to_value(request(wanted)?).map_err(|error| Failure::local(error.to_string()))
}

fn text(quote: &QuoteResponse) -> String {
    let mut lines = Vec::new();
    // The price of what is refused is no offer.
    let price = quote.price.as_ref().filter(|_| quote.acceptable);
    if let Some(price) = price {
        let mut rows: Vec<Vec<String>> = price
            .lines
            .iter()
            .map(|line| {
                let quantity = format!("{} {}", line.quantity, line.unit);
                vec![line.label.clone(), quantity, line.amount.to_string()]
            })
            .collect();
        rows.push(vec!["Total".into(), String::new(), price.total.to_string()]);
        lines.push(table(&["FOR", "QUANTITY", "PRICE"], &rows));
        let network = printable(&quote.network);
        lines.push(format!("on {network}, until {}", quote.valid_until));
    }
    let fields = quote.field_errors.iter();
    let refused = fields.map(|field| format!("{} {}", field.field, field.message));
    let codes = quote.refusals.iter().map(ToString::to_string);
    let refused = refused.chain(codes);
    lines.extend(refused.map(|why| format!("refused: {}", printable(&why))));
    lines.join("\n")
}
