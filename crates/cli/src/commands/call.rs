//! `infra402 call`: any request, paid for where the API asks for it, with a session where it needs
//! one.

use std::io::IsTerminal as _;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::show;
use crate::{
    api::{Api, whole},
    failure::Failure,
    printed::{pass_on, printable_lines, say},
    purchase::{self, Wanted},
};

pub(super) async fn run(
    api: &Api,
    method: &str,
    path: &str,
    body: Option<String>,
) -> Result<u8, Failure> {
    let method = method.to_ascii_uppercase().parse::<Method>();
    let method = method.map_err(|_| Failure::usage("that is no HTTP method"))?;
    if !path.starts_with('/') {
        return Err(Failure::usage("the path has to begin with /"));
    }
    let body: Option<Value> = match body {
        Some(body) => Some(
            serde_json::from_str(&body)
                .map_err(|error| Failure::usage(format!("the body is no JSON: {error}")))?,
        ),
        None => None,
    };
    let prepare = || {
        let request = api.http().request(method.clone(), api.url(path));
        match &body {
            Some(body) => request.json(body),
            None => request,
        }
    };
    let response = api.send(prepare()).await?;
    let response = match response.status() {
        StatusCode::PAYMENT_REQUIRED => {
            let wanted = Wanted {
                method: method.clone(),
                path: path.to_owned(),
                body: body.clone(),
                what: format!("{method} {path}"),
                announced: true,
                streamed: false,
            };
            let bought = purchase::buy(api, &wanted, &mut |_| {}).await?;
            let text = bought.text.unwrap_or_else(|| bought.body.to_string());
            return as_it_came(api, text.as_bytes());
        }
        StatusCode::UNAUTHORIZED => api.with_session(|| Ok(prepare())).await?,
        _ => response,
    };
    let status = response.status();
    let text = whole(response).await?;
    if !status.is_success() {
        return Err(Failure::from_response(status.as_u16(), &text));
    }
    as_it_came(api, &text)
}

/// Prints an answer as it is; on a terminal without what would act on that.
fn as_it_came(api: &Api, text: &[u8]) -> Result<u8, Failure> {
    let document = serde_json::from_slice(text);
    match (api.settings.json, document) {
        (true, Ok(document)) => show(api, &document, || Ok(String::new())),
        (true, Err(_)) => {
            let text = Value::String(String::from_utf8_lossy(text).into_owned());
            show(api, &text, || Ok(String::new()))
        }
        (false, _) if std::io::stdout().is_terminal() => {
            say(&printable_lines(String::from_utf8_lossy(text).trim_end()));
            Ok(0)
        }
        (false, _) => {
            pass_on(true, text);
            if !text.ends_with(b"\n") {
                pass_on(true, b"\n");
            }
            Ok(0)
        }
    }
}
