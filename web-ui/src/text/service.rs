//! What is said of a service that gave nothing.

/// No answer.
pub const UNREACHABLE: &str = "The service cannot be reached.";
/// The customer stopped it, or it took too long.
pub const STOPPED: &str = "Stopped.";
/// An answer that is none of the service's words.
pub fn unreadable(status: u16) -> String {
    format!("The service answered something unreadable (status {status}).")
}
/// It refused in words that are none of ours.
pub fn refused(status: u16) -> String {
    format!("The service refused the request (status {status}).")
}
/// It failed in the middle.
pub fn broke_off(status: u16) -> String {
    format!("The service broke off (status {status}).")
}
