//! `GET /openapi.json` and `GET /docs`: the document for programs, and the same for people. Both
//! are made once, at start.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use bytes::Bytes;
use serde_json::Value;

use crate::{App, openapi, operations};

/// What the page may do: show itself.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let sold = operations::registry::sold(&app.config);
    let sold = sold.map(|operation| (&operation.about, (operation.documentation)()));
    let document = openapi::document(&app.config, sold);
    let page = fixed("text/html; charset=utf-8", page::of(&document));
    let json = fixed("application/json", document.to_string());
    Router::new()
        .route("/openapi.json", get(async move || json))
        .route("/docs", get(async move || page))
}

/// An answer that is the same for everybody until the next start.
pub(super) fn fixed(media: &'static str, body: String) -> impl IntoResponse + Clone {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
    ];
    (headers, Bytes::from(body))
}

/// The page, written from the document alone.
mod page {
    use std::fmt::Write as _;

    use super::Value;

    const STYLE: &str = "
        :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
        body { max-width: 56rem; margin: 0 auto; padding: 1rem }
        h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886 }
        details { border: 1px solid #8884; border-radius: .5rem; margin: .5rem 0; padding: .5rem .8rem }
        summary { cursor: pointer; overflow-wrap: anywhere }
        code, pre { font: .9em/1.4 ui-monospace, monospace }
        pre { overflow-x: auto; background: #8881; padding: .6rem; border-radius: .4rem }
        b.method { display: inline-block; min-width: 4.5rem }
        .paid { background: #d9a40033; border-radius: .3rem; padding: 0 .4rem }
        table { border-collapse: collapse; width: 100% }
        td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0 }
    ";

    /// Writes the page.
    pub(super) fn of(document: &Value) -> String {
        let info = &document["info"];
        let title = escaped(text(&info["title"]));
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><h1>{title}</h1><p>{}</p>\
             <p>For programs: <a href=\"/openapi.json\">openapi.json</a>, <a href=\"/llms.txt\">llms.txt</a>, \
             <a href=\"/.well-known/x402\">.well-known/x402</a>.</p>",
            prose(&info["description"])
        );
        let mut last = "";
        for (method, path, operation) in operations(document) {
            let tag = text(&operation["tags"][0]);
            if tag != last {
                add(&mut page, format_args!("<h2>{}</h2>", escaped(tag)));
                last = tag;
            }
            section(&mut page, document, method, path, operation);
        }
        page.push_str("</body></html>");
        page
    }

    /// Every operation, those of a tag together, in the order in which the tags first come.
    fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
        let paths = document["paths"].as_object().into_iter().flatten();
        let mut all: Vec<_> = paths
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().into_iter().flatten();
                methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
            })
            .collect();
        all.sort_by_key(|(_, _, operation)| text(&operation["tags"][0]).to_owned());
        all
    }

    /// An answer, or what it refers to.
    fn resolved<'a>(document: &'a Value, answer: &'a Value) -> &'a Value {
        let reference = answer["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix('#'));
        let target = reference.and_then(|pointer| document.pointer(pointer));
        target.unwrap_or(answer)
    }

    fn section(page: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
        let paid = operation.get("x-payment-info").is_some();
        let access = match (paid, &operation["security"][0]) {
            (true, _) => " <span class=\"paid\">paid</span>",
            (false, security) if security.get("walletSession").is_some() => " (session)",
            _ => "",
        };
        add(
            page,
            format_args!(
                "<details><summary><b class=\"method\">{}</b> <code>{}</code>{access} {}</summary><p>{}</p>",
                escaped(&method.to_ascii_uppercase()),
                escaped(path),
                prose(&operation["summary"]),
                prose(&operation["description"]),
            ),
        );
        rows(
            page,
            "Parameters",
            operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| {
                    let name = format!("{} ({})", text(&one["name"]), text(&one["in"]));
                    (name, one["description"].clone())
                }),
        );
        example(page, "Body", &operation["requestBody"]["content"]);
        let responses = operation["responses"].as_object();
        rows(
            page,
            "Answers",
            responses.into_iter().flatten().map(|(status, answer)| {
                (
                    status.clone(),
                    resolved(document, answer)["description"].clone(),
                )
            }),
        );
        for (status, answer) in responses.into_iter().flatten() {
            if status.starts_with('2') {
                example(page, status, &answer["content"]);
            }
        }
        page.push_str("</details>");
    }

    fn rows(page: &mut String, title: &str, rows: impl Iterator<Item = (String, Value)>) {
        let mut table = String::new();
        for (name, what) in rows {
            let (name, what) = (escaped(&name), prose(&what));
            add(
                &mut table,
                format_args!("<tr><td><code>{name}</code></td><td>{what}</td></tr>"),
            );
        }
        if !table.is_empty() {
            add(page, format_args!("<h4>{title}</h4><table>{table}</table>"));
        }
    }

    fn example(page: &mut String, title: &str, content: &Value) {
        let example = &content["application/json"]["example"];
        if !example.is_null() {
            let example = escaped(&format!("{example:#}"));
            add(
                page,
                format_args!("<h4>{title}, for example</h4><pre>{example}</pre>"),
            );
        }
    }

    fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = page.write_fmt(text);
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }

    /// Text with `code` in it, in lines.
    fn prose(value: &Value) -> String {
        let mut written = String::new();
        for (position, part) in escaped(text(value)).split('`').enumerate() {
            match position % 2 {
                0 => written.push_str(&part.replace("\n\n", "<br>")),
                _ => add(&mut written, format_args!("<code>{part}</code>")),
            }
        }
        written
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    }

    #[cfg(test)]
    mod tests {
        use serde_json::json;

        use super::*;

        #[test]
        fn nothing_in_the_document_can_become_markup() {
            let document = json!({
                "info": {"title": "<script>", "description": "`a<b>` & \"c\""},
                "paths": {"/<i>": {"get": {
                    "tags": ["T"], "summary": "s", "responses": {"200": {
                        "description": "<b>", "content": {"application/json": {"example": "</pre>"}},
                    }},
                }}},
            });
            let page = of(&document);
            for raw in ["<script>", "<i>", "<b>", "\"</pre>\""] {
                assert!(!page.contains(raw), "{raw}");
            }
            assert!(page.contains("<code>a&lt;b&gt;</code> &amp; &quot;c&quot;"));
        }
    }
}
