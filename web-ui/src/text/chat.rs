//! The chat page and the cards in it.

/// The heading of an empty conversation.
pub const WELCOME: &str = "What do you need a container for?";
/// What the agent does.
pub const WELCOME_HELP: &str = "Tell me the size and the time. I quote the price, you sign the payment in your own wallet, and the container is yours until it expires. You are charged only once it answers.";
/// Suggested messages that are sent when they are pressed.
pub const SUGGESTIONS: [&str; 4] = [
    "Lease 1 core, 512 MB for 30 minutes",
    "What do I have running?",
    "What would 2 cores and 4 GB for a day cost?",
    "How busy is the node?",
];
/// The list of conversations.
pub const CONVERSATIONS: &str = "Conversations";
/// Shows the list where there is no room for it.
pub const SHOW_CONVERSATIONS: &str = "Show conversations";
/// Begins another conversation.
pub const NEW: &str = "New chat";
/// Deletes a conversation.
pub const DELETE: &str = "Delete";
/// Asks before that.
pub const DELETE_ASK: &str = "Delete this conversation?";
/// A conversation without words.
pub const UNTITLED: &str = "New chat";
/// There are no conversations yet.
pub const NO_CONVERSATIONS: &str = "Your conversations show up here.";

/// The message could not be sent.
pub const UNSENT: &str = "The message could not be sent and is still in the box. Try again.";

/// The log of a conversation.
pub const LOG: &str = "Conversation";
/// The customer, as an author.
pub const YOU: &str = "You";
/// The agent, as an author.
pub const AGENT: &str = "Agent";
/// The message box.
pub const MESSAGE: &str = "Message";
/// The placeholder of the box.
pub const PLACEHOLDER: &str = "Ask for a container or a price…";
/// Sends.
pub const SEND: &str = "Send";
/// Stops.
pub const STOP: &str = "Stop";
/// Goes to the end.
pub const LATEST: &str = "Jump to latest";
/// The answer is coming.
pub const THINKING: &str = "Thinking…";
/// The customer stopped it.
pub const STOPPED: &str = "Stopped.";
/// The stream ended too early.
pub const CUT_OFF: &str = "The connection was lost before the answer was complete.";
/// What the agent is told when the customer declines a call.
pub const CANCEL_REASON: &str = "The customer cancelled.";
/// Copies an answer.
pub const COPY_ANSWER: &str = "Copy answer";
/// Copies code.
pub const COPY_CODE: &str = "Copy code";
/// A checkbox of a task list.
pub const TASK: &str = "Task";
/// Code without a language.
pub const CODE: &str = "code";

/// States of a tool's card.
pub mod tool {
    /// It is under way.
    pub const RUNNING: &str = "Running";
    /// It waits for a payment.
    pub const AWAITING_PAYMENT: &str = "Awaiting payment";
    /// It waits for a confirmation.
    pub const AWAITING_CONFIRMATION: &str = "Awaiting your OK";
    /// The customer has paid or confirmed.
    pub const RESPONDED: &str = "Approved";
    /// It is completed.
    pub const COMPLETED: &str = "Completed";
    /// The customer declined.
    pub const DENIED: &str = "Denied";
    /// It failed.
    pub const FAILED: &str = "Error";
    /// Resumes a payment that was left open.
    pub const OFFER_AGAIN: &str = "Continue with the payment";
    /// Input and output.
    pub const DETAILS: &str = "Details";
    /// The arguments.
    pub const INPUT: &str = "Input";
    /// The result.
    pub const OUTPUT: &str = "Output";
    /// What a call does that the customer has to confirm.
    pub fn confirm_help(tool: &str) -> &'static str {
        match tool {
            "stop_container" => crate::text::leases::STOP_HELP,
            "write_container_file" => "Read the content first: programs may run it.",
            "change_container_files" => "What is removed or replaced cannot be brought back.",
            "stop_container_command" => "What the command has not finished may be lost.",
            "set_up_container_ssh" => {
                "This service can then log in as root, for your commands and files."
            }
            "expose_port" => "Everybody on the Internet can open it from then on.",
            "close_port" => "Visitors are cut off, and links to it end.",
            _ => "This cannot be undone. Unused time is not paid back.",
        }
    }
    /// The content of a file that would be written.
    pub const CONTENT: &str = "Content";
    /// Confirms.
    pub const CONFIRM: &str = "Yes, do it";
    /// Declines.
    pub const DENY: &str = "No, keep it";
}
