//! The published ports of a container.

use api_types::PortAccess;

/// Opens the list; its accessible name.
pub const PORTS: &str = "Ports";
/// The list has none.
pub const EMPTY: &str = "No port is published. A web server in the container gets an address of its own here, for you alone at first.";
/// A port.
pub const PORT: &str = "Port";
/// A port with its number.
pub fn port(port: u16) -> String {
    format!("{PORT} {port}")
}
/// Publishes a port.
pub const PUBLISH: &str = "Publish";
/// The port is being published.
pub const PUBLISHING: &str = "Publishing…";
/// Who may open a port.
pub fn access_of(port: u16) -> String {
    format!("Who may open port {port}")
}
/// A kind of access.
pub fn access(access: PortAccess) -> &'static str {
    match access {
        PortAccess::Owner => "Only you",
        PortAccess::Link => "By link",
        PortAccess::Public => "Everybody",
    }
}
/// The port has another access now.
pub fn changed(port: u16, access: PortAccess) -> String {
    match access {
        PortAccess::Owner => format!("Port {port} is for you alone."),
        PortAccess::Link => {
            format!("Port {port} opens by its link, which works for everyone who has it.")
        }
        PortAccess::Public => format!("Port {port} is open to everybody."),
    }
}
/// Opens a port in a new tab; the address follows.
pub fn open(port: u16) -> String {
    format!("Open port {port} in a new tab:")
}
/// What is copied: the link with its token.
pub fn link_of(port: u16) -> String {
    format!("the link to port {port}")
}
/// What is copied: the address.
pub fn address_of(port: u16) -> String {
    format!("the address of port {port}")
}
/// Ends the publication.
pub const CLOSE: &str = "Close";
/// The same, with the port.
pub fn close(port: u16) -> String {
    format!("{CLOSE} port {port}")
}
/// The publication has ended.
pub fn closed(port: u16) -> String {
    format!("Port {port} is closed: its address answers nothing any more.")
}
/// The operator has taken the lease's name down.
pub fn taken_down(reason: &str) -> String {
    format!("The operator has taken these addresses down: {reason}")
}
/// The browser opened no tab.
pub const NO_TAB: &str =
    "The browser did not open a new tab. Allow this page to open tabs, and try again.";
/// The address belongs to another lease by now.
pub const OVER: &str = "This address is over.";
