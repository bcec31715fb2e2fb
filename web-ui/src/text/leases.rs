//! The board of leases, the quick form and the terminal.

use api_types::{ExecResponse, LeaseStatus, TrafficStep, TrafficUsage};

use crate::format::bytes;

/// The page's description.
pub const HELP: &str = "Everything this wallet has leased, with the time that is left.";
/// Reads the list again.
pub const REFRESH: &str = "Refresh";
/// Nothing is leased.
pub const EMPTY: &str = "Nothing leased yet";
/// Then, how to lease.
pub const EMPTY_HELP: &str = "Choose a size here and pay, or ask the agent in the chat.";
/// Leases that have ended.
pub const PAST: &str = "Ended";

/// A status for people.
pub const fn status(status: LeaseStatus) -> &'static str {
    match status {
        LeaseStatus::Provisioning => "Being created",
        LeaseStatus::Settling => "Settling",
        LeaseStatus::Reconciling => "Checking payment",
        LeaseStatus::Active => "Running",
        LeaseStatus::Expiring => "Expiring",
        LeaseStatus::Stopped => "Expired",
        LeaseStatus::Undoing => "Being removed",
        LeaseStatus::Destroyed => "Destroyed",
    }
}

/// The meter's accessible name.
pub const TIME_LEFT: &str = "Time left";
/// Its name when the time is over.
pub const DATA_LEFT: &str = "Time until its data is deleted";
/// The countdown of a running lease.
pub const LEFT: &str = "left";
/// The countdown of an expired lease.
pub fn deletes_in(time: &str) -> String {
    format!("Data deleted in {time} – renew to keep it")
}
/// An expired lease whose deletion date is not known.
pub const OVER: &str = "Expired";

/// The title of the leases beside a conversation.
pub const YOURS: &str = "Your containers";
/// How many containers there are.
pub fn containers(count: usize) -> String {
    match count {
        1 => "1 container".to_owned(),
        _ => format!("{count} containers"),
    }
}
/// The time of the only container.
pub fn time_left(time: &str) -> String {
    format!("{time} {LEFT}")
}
/// The time of the container that ends first.
pub fn first_ends(time: &str) -> String {
    format!("first ends in {time}")
}
/// How many of several containers are in a state.
pub fn some(count: usize, state: &str) -> String {
    format!("{count} {state}")
}
/// Stopped, within a line.
pub const SUMMARY_OFF: &str = "stopped";
/// Proxmox does not respond, within a line.
pub const SUMMARY_UNREACHABLE: &str = "not reachable";
/// Expired, within a line.
pub const SUMMARY_EXPIRED: &str = "expired";
/// Being created, within a line.
pub const SUMMARY_IN_CREATION: &str = "being created";

/// Number of the container.
pub const CONTAINER: &str = "Container";
/// Address.
pub const ADDRESS: &str = "Address";
/// No address.
pub const NO_ADDRESS: &str = "none yet";
/// The end.
pub const UNTIL: &str = "Until";
/// The sum.
pub const PAID: &str = "Paid";
/// The template.
pub const SYSTEM: &str = "System";
/// The node.
pub const NODE: &str = "Node";
/// Processor.
pub const CPU: &str = "CPU";
/// Memory.
pub const MEMORY: &str = "Memory";
/// Disk.
pub const DISK: &str = "Disk";
/// Processor's line.
pub const CPU_LINE: &str = "CPU over the last minutes";

/// The sent traffic, the included traffic, and whether it is slowed down.
pub fn traffic(usage: &TrafficUsage) -> String {
    let sent = bytes(usage.sent);
    let included = usage.included.map(bytes);
    let of = match included
        .as_deref()
        .map(|included| (included, included.split_once(' ')))
    {
        None => sent,
        // `1.2 of 50 GiB`
        Some((included, Some((_, unit)))) if sent.ends_with(&format!(" {unit}")) => {
            format!("{} of {included}", sent.trim_end_matches(unit).trim_end())
        }
        Some((included, _)) => format!("{sent} of {included}"),
    };
    let step = match usage.step {
        TrafficStep::Full => "",
        TrafficStep::Slowed => ", slowed down",
        TrafficStep::Cut => ", cut off",
        TrafficStep::Stopped => ", and stopped",
    };
    format!("Traffic {of}{step}")
}

/// Cores in words.
pub fn cores(count: u32) -> String {
    if count == 1 {
        "1 core".to_owned()
    } else {
        format!("{count} cores")
    }
}

/// Renews.
pub const RENEW: &str = "Renew";
/// How long.
pub const RENEW_BY: &str = "Add";
/// The new end.
pub const RENEW_UNTIL: &str = "Then until";
/// Runs a command.
pub const RUN: &str = "Run";
/// The field.
pub const COMMAND: &str = "Command";
/// An example.
pub const COMMAND_PLACEHOLDER: &str = "uname -a";
/// Its price.
pub fn call_price(price: &str) -> String {
    format!("{price} per call")
}
/// How a command ended.
pub fn exit_code(code: i32) -> String {
    format!("Exit code {code}")
}
/// A command did not end in time.
pub const TIMED_OUT: &str = "Stopped: out of time";
/// A command goes on in the container.
pub const IN_BACKGROUND: &str = "Runs in the background";
/// Whether the command runs on, or how it ended: the step that gives the pill its colour, and the
/// words. A command in the background has no exit code, because it has not ended.
pub fn command_state(response: &ExecResponse) -> (&'static str, String) {
    match (&response.command_id, response.exit_code) {
        (Some(_), _) => ("running", IN_BACKGROUND.to_owned()),
        (None, Some(0)) => ("completed", exit_code(0)),
        (None, Some(code)) => ("failed", exit_code(code)),
        (None, None) => ("failed", TIMED_OUT.to_owned()),
    }
}
/// Output is missing.
pub const TRUNCATED: &str = "Output was cut";
/// What a command printed.
pub const OUTPUT: &str = "the output";
/// Nothing was printed.
pub const NO_OUTPUT: &str = "(no output)";
/// Standard error.
pub const STDERR: &str = "Standard error";
/// Opens the terminal.
pub const TERMINAL: &str = "Terminal";
/// The container is stopped while its paid time goes on.
pub const OFF: &str = "Stopped";
/// Proxmox does not respond, so that the state of the container is not known.
pub fn not_reachable(last_seen: Option<&str>) -> String {
    match last_seen {
        Some(time) => format!("Not reachable, last seen {time}"),
        None => "Not reachable".to_owned(),
    }
}
/// Stops the container.
pub const STOP: &str = "Stop";
/// What it does.
pub const STOP_HELP: &str = "All programs in it end. Its data stays, and its paid time goes on.";
/// Stops it.
pub const STOP_DO: &str = "Stop it";
/// It is being stopped.
pub const STOPPING: &str = "Stopping…";
/// Starts the container.
pub const START: &str = "Start";
/// It is being started.
pub const STARTING: &str = "Starting…";
/// The container was started or stopped, or is about to be.
pub fn switched(hostname: &str, on: bool, done: bool) -> String {
    let state = match (on, done) {
        (true, true) => "runs again.",
        (false, true) => "is stopped.",
        (true, false) => "is about to start.",
        (false, false) => "is about to stop.",
    };
    format!("{hostname} {state}")
}
/// Destroys.
pub const DESTROY: &str = "Destroy";
/// What it does.
pub const DESTROY_HELP: &str =
    "The container and its data are removed at once. Unused time is not paid back.";
/// What to type.
pub fn destroy_type(hostname: &str) -> String {
    format!("Type {hostname} to confirm")
}
/// Destroys.
pub const DESTROY_DO: &str = "Destroy it";
/// Gone.
pub fn destroyed(hostname: &str) -> String {
    format!("{hostname} is destroyed.")
}
/// It ends soon.
pub fn ends_in(hostname: &str, time: &str) -> String {
    format!("{hostname} ends in {time}. Renew it on the Leases page to keep it running.")
}
/// A new one.
pub fn ready(hostname: &str) -> String {
    format!("{hostname} is ready.")
}
/// Renewed.
pub fn renewed(until: &str) -> String {
    format!("Renewed until {until}.")
}

/// The quick form.
pub mod form {
    /// Heading.
    pub const TITLE: &str = "New container";
    /// Cores.
    pub const CORES: &str = "Cores";
    /// Memory.
    pub const MEMORY: &str = "Memory";
    /// Disk.
    pub const DISK: &str = "Disk";
    /// Time.
    pub const TIME: &str = "Time";
    /// More fields.
    pub const MORE: &str = "Name and system";
    /// Name.
    pub const HOSTNAME: &str = "Name";
    /// Name's example.
    pub const HOSTNAME_PLACEHOLDER: &str = "generated";
    /// Template.
    pub const TEMPLATE: &str = "System";
    /// Goes on.
    pub const CONTINUE: &str = "Continue to payment";
    /// The service has no room.
    pub const NO_ROOM: &str =
        "There is no room for this size at the moment. Try a smaller size, or try again later.";
    /// The service cannot say.
    pub const NOT_NOW: &str = "This size cannot be leased at the moment. Try again later.";
    /// The catalog is missing.
    pub const NO_CATALOG: &str = "Prices are not loaded yet.";
}

/// The terminal.
pub mod terminal {
    /// Its code is being loaded.
    pub const LOADING: &str = "Loading…";
    /// It connects.
    pub const CONNECTING: &str = "Connecting…";
    /// It is connected.
    pub const OPEN: &str = "Connected";
    /// It is lost.
    pub const CLOSED: &str = "Disconnected";
    /// Opens a terminal that is paid for.
    pub const OPEN_IT: &str = "Open terminal";
    /// Its ticket was used, or has expired.
    pub const TICKET_USED: &str =
        "Its ticket is used up. Open the terminal again; it is paid again.";
    /// A terminal's name where its container's is not known.
    pub fn name(ctid: u32) -> String {
        format!("container {ctid}")
    }
    /// Pays for a new ticket.
    pub const RECONNECT: &str = "Reconnect";
    /// Several lines are to be pasted.
    pub const PASTE_TITLE: &str = "Paste several lines?";
    /// Why that is asked.
    pub const PASTE_HELP: &str = "Every line break runs a command at once.";
    /// Yes.
    pub const PASTE_DO: &str = "Paste";
    /// The keys that a phone lacks.
    pub const KEYS: &str = "Terminal keys";
    /// The bundle was made without it.
    pub const MISSING: &str = "This build of the interface has no terminal.";
    /// Its code could not be loaded.
    pub const NOT_LOADED: &str = "The terminal's code could not be loaded.";
    /// Its code was loaded and failed.
    pub const NOT_OPENED: &str = "The terminal could not be opened.";
    /// The address is not valid.
    pub const BAD_ADDRESS: &str =
        "The terminal's address cannot be opened. Nothing more was charged.";

    /// Why it was closed, where the service gave no sentence.
    pub const fn closed(code: u16) -> &'static str {
        match code {
            1000 => "The shell has ended.",
            1006 => "The connection was lost.",
            1012 => "The service is restarting.",
            1013 => "Too many terminals are open. Close one, or try again later.",
            4401 => "The ticket is used up or has expired.",
            4403 => "This container belongs to another wallet.",
            4408 => "The terminal was closed because nothing was typed for a long time.",
            4409 => "A command is running in this container. Try again when it has ended.",
            4410 => "The lease has expired.",
            4411 => "The terminal was opened in another window.",
            4413 => "The terminal has reached its limit of data.",
            4429 => "Too many terminals are open. Close one first.",
            4503 => "The container cannot be reached at the moment. Try again later.",
            _ => "The connection has ended.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(fields: &serde_json::Value) -> (&'static str, String) {
        let mut response = serde_json::json!({
            "ctid": 100, "upid": "", "output": "", "stdout": "", "stderr": "", "exitCode": null,
            "timedOut": false, "truncated": false,
        });
        let given = fields.as_object().unwrap().clone();
        response.as_object_mut().unwrap().extend(given);
        command_state(&serde_json::from_value(response).unwrap())
    }

    #[test]
    fn a_command_in_the_background_has_not_run_out_of_time() {
        let begun = state(&serde_json::json!({"commandId": "cmd_1"}));
        assert_eq!(begun, ("running", "Runs in the background".to_owned()));
        let ended = state(&serde_json::json!({"exitCode": 0}));
        assert_eq!(ended, ("completed", "Exit code 0".to_owned()));
        let failed = state(&serde_json::json!({"exitCode": 2}));
        assert_eq!(failed, ("failed", "Exit code 2".to_owned()));
        let late = state(&serde_json::json!({"timedOut": true}));
        assert_eq!(late, ("failed", "Stopped: out of time".to_owned()));
    }

    #[test]
    fn traffic_is_one_plain_line() {
        let of = |sent, included, step| {
            traffic(&TrafficUsage {
                sent,
                received: 7,
                included,
                step,
            })
        };
        let gib = 1 << 30;
        let (full, slowed, cut) = (TrafficStep::Full, TrafficStep::Slowed, TrafficStep::Cut);
        assert_eq!(
            of(gib * 6 / 5, Some(50 * gib), full),
            "Traffic 1.2 of 50 GiB"
        );
        assert_eq!(of(0, Some(20 * gib), full), "Traffic 0 B of 20 GiB");
        assert_eq!(
            of(21 * gib, Some(20 * gib), slowed),
            "Traffic 21 of 20 GiB, slowed down"
        );
        assert_eq!(
            of(1 << 40, Some(20 * gib), cut),
            "Traffic 1 TiB of 20 GiB, cut off"
        );
        assert_eq!(
            of(1 << 40, Some(20 * gib), TrafficStep::Stopped),
            "Traffic 1 TiB of 20 GiB, and stopped"
        );
        assert_eq!(of(5 << 20, None, full), "Traffic 5 MiB");
    }
}
