//! The routes of a console that was paid for: its page and its WebSocket.

use api_types::ErrorCode::*;
use serde_json::json;
use service::openapi::Endpoint;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let text = || json!({"type": "string"});
    vec![
        Endpoint::new("GET", "/console", "A page with a terminal").named("Containers", "readConsolePage")
            .details("Reads its ticket from the fragment, which is not sent.")
            .responds_plain(200, "The page.", "text/html", text())
            .responds_plain(501, "This build has no terminal in it.", "text/html", text()),
        Endpoint::new("GET", "/console/{version}/{file}", "A file of that page").named("Containers", "readConsoleFile")
            .in_path("version", text(), "Changes with the files.")
            .in_path("file", text(), "Its name.")
            .responds_plain(200, "The file.", "text/javascript", text())
            .refuses(&[NotFound]),
        Endpoint::new("GET", "/console/ws", "The terminal's WebSocket").named("Containers", "connectConsole")
            .details(
                "The first message is a `ConsoleOpening` as text; then bytes go both ways in binary messages, and \
                 `{\"resize\": [columns, rows]}` as text. It closes with a reason when the lease ends.",
            )
            .responds_nothing(101, "The protocol is switched.")
            .refuses(&[InvalidRequest, Forbidden])
            .limited(),
    ]
}
