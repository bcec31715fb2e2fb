//! The chat page and the cards in it.

/// What an empty conversation says.
pub const WELCOME: &str = "What do you need a machine for?";
/// What can be done here.
pub const WELCOME_HELP: &str = "Tell me the size and the time. I quote the price, you sign the payment in your own wallet, and the container is yours until its time is over. You are charged only once it answers.";
/// Plain requests that run when they are pressed.
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
/// Forgets a conversation.
pub const DELETE: &str = "Delete";
/// Asks before that.
pub const DELETE_ASK: &str = "Delete this conversation?";
/// A conversation without words.
pub const UNTITLED: &str = "New chat";
/// Nothing is kept yet.
pub const NO_CONVERSATIONS: &str = "Your conversations show up here.";

/// The code that sends did not come.
pub const UNSENT: &str = "This could not be sent. It is still here: try again.";

/// The log of a conversation.
pub const LOG: &str = "Conversation";
/// Who speaks: the customer.
pub const YOU: &str = "You";
/// Who speaks: the agent.
pub const AGENT: &str = "Agent";
/// The box to write in.
pub const MESSAGE: &str = "Message";
/// What it says while it is empty.
pub const PLACEHOLDER: &str = "Ask for a machine or a price…";
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
/// What the agent hears when a call was given up.
pub const CANCEL_REASON: &str = "The customer cancelled.";
/// Copies an answer.
pub const COPY_ANSWER: &str = "Copy answer";
/// Copies code.
pub const COPY_CODE: &str = "Copy code";
/// A box of a task list.
pub const TASK: &str = "Task";
/// Code without a language.
pub const CODE: &str = "code";

/// States of a tool's card.
pub mod tool {
    /// It is being done.
    pub const RUNNING: &str = "Running";
    /// It waits for a payment.
    pub const AWAITING_PAYMENT: &str = "Awaiting payment";
    /// It waits for a yes.
    pub const AWAITING_CONFIRMATION: &str = "Awaiting your OK";
    /// The customer has answered.
    pub const RESPONDED: &str = "Approved";
    /// It is done.
    pub const COMPLETED: &str = "Completed";
    /// The customer said no.
    pub const DENIED: &str = "Denied";
    /// It did not work.
    pub const FAILED: &str = "Error";
    /// Goes on with a payment that was left open.
    pub const OFFER_AGAIN: &str = "Continue with the payment";
    /// Input and output.
    pub const DETAILS: &str = "Details";
    /// What it was asked.
    pub const INPUT: &str = "Input";
    /// What it answered.
    pub const OUTPUT: &str = "Output";
    /// What stands between the customer and a call that ends something.
    pub fn confirm_help(tool: &str) -> &'static str {
        match tool {
            "stop_container" => crate::text::leases::STOP_HELP,
            _ => "This cannot be undone. Unused time is not paid back.",
        }
    }
    /// Says yes.
    pub const CONFIRM: &str = "Yes, do it";
    /// Says no.
    pub const DENY: &str = "No, keep it";
}
