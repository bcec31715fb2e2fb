//! The commands that run in the background of a container.

/// Opens the list.
pub const BACKGROUND: &str = "Background";
/// The list's accessible name.
pub const TITLE: &str = "Background commands";
/// The list has none, and how one is begun.
pub const EMPTY: &str =
    "No command was begun in the background. The assistant and the API can begin one.";
/// The command runs.
pub const RUNNING: &str = "Running";
/// It is gone without an exit code.
pub const LOST: &str = "Lost";
/// When it was begun; the time follows.
pub const STARTED: &str = "started";
/// Shows what it has printed.
pub fn output_of(command: &str) -> String {
    format!("Output of {command}")
}
/// Reads on.
pub const MORE: &str = "More output";
/// The output is being read.
pub const READING: &str = "Reading…";
/// Asks a command to end, by SIGTERM.
pub const STOP: &str = "Stop";
/// The same, with the command.
pub fn stop(command: &str) -> String {
    format!("Stop {command}")
}
/// Ends it at once, by SIGKILL.
pub const KILL: &str = "Kill";
/// The same, with the command.
pub fn kill(command: &str) -> String {
    format!("Kill {command}")
}
/// SIGTERM was sent.
pub fn asked(command: &str) -> String {
    format!("{command} was asked to end. Kill ends it at once.")
}
/// SIGKILL was sent.
pub fn killed(command: &str) -> String {
    format!("{command} was killed.")
}
