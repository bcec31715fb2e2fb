//! Consoles: a customer's WebSocket on one side, a shell over SSH or the container's terminal on the
//! other. [`ticket`] admits a connection, [`visit`] opens the container's end for it, `serving`
//! serves it to its close frame, `bridge` copies the bytes, `end` has the reasons for closing,
//! `stream` is the container's end. `relay` leads a connection to its shell at another replica,
//! where `handed_over` serves it; [`hand_over`] is what one shows the other. `takeover` asks other
//! replicas to give a terminal up. `memory::consoles` has the open consoles, `crate::terminals` the
//! lock of each terminal. Neither Proxmox's address nor its ticket goes to the client.

mod bridge;
mod end;
pub mod hand_over;
mod handed_over;
mod meter;
pub mod page;
mod relay;
mod serving;
mod stream;
pub mod takeover;
pub mod ticket;
mod visit;

pub use handed_over::visit_handed_over;
pub use relay::PATH as HAND_OVER_PATH;
pub use visit::{ConsoleVisitor, FIRST_MESSAGE, visit};

/// The largest message that is read at all; above it the connection breaks instead of closing with
/// a reason.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The largest frame that is taken from a client, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;

/// The page with a terminal. The ticket is in the fragment, which a browser sends nowhere.
pub fn page_url(public_base_url: &str, ticket: &str) -> String {
    format!("{public_base_url}/console#ticket={ticket}")
}

/// The WebSocket.
pub fn socket_url(public_base_url: &str) -> String {
    // Configuration lets nothing through but `http://…` and `https://…`.
    let rest = public_base_url.strip_prefix("http").unwrap_or_default();
    format!("ws{rest}/console/ws")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_as_secure_as_the_page() {
        assert_eq!(
            socket_url("https://h.example"),
            "wss://h.example/console/ws"
        );
        assert_eq!(socket_url("http://h:1/x"), "ws://h:1/x/console/ws");
        assert_eq!(page_url("http://h", "t"), "http://h/console#ticket=t");
    }
}
