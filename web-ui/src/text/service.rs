//! Failed requests.

/// No answer.
pub const UNREACHABLE: &str = "The service cannot be reached.";
/// The customer stopped it, or it took too long.
pub const STOPPED: &str = "Stopped.";
/// A response that is not in the service's format.
pub fn unreadable(status: u16) -> String {
    format!("The service sent an unreadable response (status {status}).")
}
/// It refused without an error of its own.
pub fn refused(status: u16) -> String {
    format!("The service refused the request (status {status}).")
}
/// It failed.
pub fn broke_off(status: u16) -> String {
    format!("The service failed (status {status}).")
}
