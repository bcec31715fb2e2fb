//! Payments: the card, its states, the credential, and the receipts page.

pub mod receipts;

use crate::format::usdc;
use api_types::Usdc;

/// Heading of a payment.
pub const PAYMENT: &str = "Payment";
/// The sum.
pub const TOTAL: &str = "Total";
/// On which network.
pub const NETWORK: &str = "Network";
/// A test network.
pub const TESTNET: &str = "test money";
/// Who is paid.
pub const PAY_TO: &str = "Pay to";
/// Until when.
pub const VALID: &str = "Offer valid for";
/// It has expired.
pub const EXPIRED: &str = "expired";
/// What the wallet has.
pub const BALANCE: &str = "Your balance";
/// What the budget leaves.
pub const BUDGET_LEFT: &str = "Budget left";
/// The price's lines.
pub const LINES: &str = "Price by line";
/// Only charged on success.
pub const PROMISE: &str = "You are charged only after the container has answered.";
/// The price has moved.
pub const PRICE_CHANGED: &str = "The price has changed since the last offer. This is the new one.";

/// Pays.
pub fn pay(amount: Usdc) -> String {
    format!("Pay {}", usdc(amount))
}

/// Connects a wallet before paying.
pub const CONNECT_TO_PAY: &str = "Connect a wallet to pay";
/// Too little money.
pub const TOO_LITTLE: &str =
    "Your balance is lower than the price. Add money, then check the balance.";
/// Where to get money on a test network.
pub const FAUCET_HINT: &str = "Test USDC comes from Circle's faucet: faucet.circle.com.";

/// The steps of a payment, in order.
pub const STEPS: [&str; 4] = ["Quote", "Signature", "Delivery", "Receipt"];

/// States.
pub mod phase {
    use super::{Usdc, usdc};

    /// The price is being asked.
    pub const QUOTING: &str = "Asking for the price…";
    /// The chain is being changed.
    pub const SWITCHING: &str = "Confirm the change of network in your wallet…";
    /// The wallet is open.
    pub const WALLET_OPEN: &str = "Confirm in your wallet…";
    /// The customer stopped waiting for the wallet.
    pub const STOPPED_WAITING: &str = "You stopped waiting for the wallet. Nothing was charged, and what you confirm there now is not sent. If it still asks, decline.";
    /// The wallet took too long.
    pub const NO_SIGNATURE: &str = "The wallet did not answer. Nothing was charged, and what you confirm there now is not sent. Open the wallet and decline what it still asks, then ask again.";
    /// The customer declined in the wallet.
    pub const DECLINED: &str = "You declined in the wallet. Nothing was charged.";
    /// Signed.
    pub const SIGNED: &str = "Signed. Sending…";
    /// Sent.
    pub const SENT: &str = "The paid request is under way…";
    /// After the service's own words.
    pub const NOTHING_CHARGED: &str = "Nothing was charged.";
    /// After the service's own words.
    pub const UNDELIVERED: &str = "It is paid, and nothing will be charged again.";
    /// Not known.
    pub const UNKNOWN: &str =
        "Checking whether the payment went through. You will not be asked to sign again.";
    /// After the message of a payment whose outcome is unknown.
    pub const UNCONFIRMED: &str = "The money may have moved: do not pay for the same again. Looking again costs nothing and signs nothing.";
    /// The same, once the signature has expired.
    pub const UNCONFIRMED_EXPIRED: &str = "The signature has expired and cannot be charged any more. Your receipts and your leases show whether it was charged before. Looking again costs nothing and signs nothing.";
    /// After the service's words.
    pub const OWED: &str = "Do not pay for it again.";
    /// How much.
    pub fn owed_amount(amount: Usdc) -> String {
        format!("{} is owed to you.", usdc(amount))
    }
    /// Cancelled.
    pub const CANCELLED: &str = "Cancelled. Nothing was charged.";
    /// Settled.
    pub const SETTLED: &str = "Paid";

    /// A step of the work behind a paid call.
    pub fn progress(step: &str) -> &str {
        match step {
            "creating" => "Creating the container…",
            "starting" => "Starting the container…",
            "probing" => "Waiting for the container to answer…",
            "settling" => "Settling the payment…",
            "running" => "Running…",
            _ => SENT,
        }
    }

    /// The same signature is sent again.
    pub fn attempt(number: u32) -> String {
        format!("Connection lost; the same signature is sent again (try {number}).")
    }

    /// The amount passes a cap.
    pub fn over_budget(cap: Usdc, session: bool) -> String {
        let what = if session {
            "this session"
        } else {
            "one payment"
        };
        format!("This is over your budget of {} for {what}.", usdc(cap))
    }

    /// The wallet is on another chain.
    pub fn wrong_chain(wanted: &str) -> String {
        format!("Your wallet is on another network. This payment is made on {wanted}.")
    }
}

/// Changes the chain.
pub const SWITCH_CHAIN: &str = "Switch network and pay";
/// Pays after a refusal in the wallet.
pub const PAY_AGAIN: &str = "Try again";
/// Gets what is paid for.
pub const GET_NOW: &str = "Get it now, no new charge";
/// Sends a payment again whose outcome is unknown.
pub const LOOK_AGAIN: &str = "Look again";
/// Shows the receipts.
pub const TO_RECEIPTS: &str = "Open the receipts";
/// Removes a payment whose outcome is unknown and whose signature has expired.
pub const SET_ASIDE: &str = "Take it off this page";
/// Names a payment to the seller.
pub const PAYMENT_ID: &str = "Payment";
/// Why something is owed.
pub const OWED_REASON: &str = "Reason";
/// Asks the wallet once more.
pub const ASK_WALLET: &str = "Ask again";
/// Ends the waiting for the wallet.
pub const STOP_WAITING: &str = "Stop waiting";
/// Why an automatic payment did not start.
pub const NOT_BY_ITSELF: &str =
    "Not paid automatically: the request does not fit on the screen. Read it, then pay.";
/// Asks the service again.
pub const CHECK_AGAIN: &str = "Check now";
/// A payment goes on.
pub const UNDER_WAY: &str = "Payment under way";
/// The offer is too old.
pub const OFFER_EXPIRED: &str = "This offer has expired.";
/// Asks for another.
pub const NEW_PRICE: &str = "Get a new price";
/// The offer is bound to another account.
pub fn made_for(account: &str) -> String {
    format!("This offer was made for {account}, and another account is connected now.")
}
/// Asks for one that is bound to the connected account.
pub const ASK_AGAIN: &str = "Ask again for this account";
/// Why nothing can be paid just now.
pub const BUSY: &str = "Another payment is under way. This one can be made after it.";
/// The same.
pub const BUSY_ELSEWHERE: &str =
    "A payment is under way in another tab. This one can be made after it.";
/// There is no usable credential yet.
pub const NO_CREDENTIAL: &str = "First enter the password or the key that you will log in with.";
/// Asks for the balance again.
pub const CHECK_BALANCE: &str = "Check balance";
/// The name of the payee's address.
pub const PAYEE: &str = "the payee's address";
/// The session's spending.
pub const SPENT: &str = "Spent in this session, in USDC. Change the budget";
/// The same in a word.
pub const SPENT_WORD: &str = "Spent";
/// A payment that waits for the customer.
pub const NEEDS_A_LOOK: &str = "A payment needs a look";
/// The password was not copied.
pub const LEAVE_ASK: &str =
    "The password is shown only here, and only once. It was not copied yet.";
/// Stays.
pub const LEAVE_NOT: &str = "Stay here";
/// Leaves.
pub const LEAVE_DO: &str = "Close without copying";
/// Closes a card.
pub const DONE: &str = "Done";
/// The transaction.
pub const TRANSACTION: &str = "Transaction";
/// A link to the transaction.
pub const VIEW_TRANSACTION: &str = "View on the block explorer";
/// Shows the limits.
pub const CHANGE_BUDGET: &str = "Change the budget";

/// The credential of a new container.
pub mod credential {
    /// The group's name.
    pub const LEGEND: &str = "How will you log in as root?";
    /// The service generates the password.
    pub const GENERATED: &str = "Generated password";
    /// What it does.
    pub const GENERATED_HELP: &str = "The service generates a strong password and shows it once, here. The chat's model never sees it.";
    /// The customer's password.
    pub const OWN: &str = "My password";
    /// The field.
    pub const OWN_LABEL: &str = "Root password";
    /// Shows it.
    pub const SHOW: &str = "Show";
    /// Hides it.
    pub const HIDE: &str = "Hide";
    /// A key.
    pub const KEY: &str = "SSH key";
    /// The field.
    pub const KEY_LABEL: &str = "Public key, one line";
    /// An example.
    pub const KEY_PLACEHOLDER: &str = "ssh-ed25519 AAAA… you@laptop";
    /// Where it goes.
    pub const PAST_MODEL: &str = "Goes straight to the lease service, never to the model.";
}

/// Texts about a new container.
pub mod delivered {
    /// Heading.
    pub const READY: &str = "Your container is ready";
    /// The container.
    pub const CONTAINER: &str = "Container";
    /// Its address.
    pub const ADDRESS: &str = "Address";
    /// Its password.
    pub const PASSWORD: &str = "Root password";
    /// It is shown once.
    pub const ONCE: &str = "Shown once: copy it now. The service does not store it.";
    /// It was shown.
    pub const SHOWN: &str = "The password was shown once and is not stored.";
    /// The end.
    pub const UNTIL: &str = "Runs until";
    /// To the board.
    pub const TO_BOARD: &str = "Open the lease board";
}

/// Purchases, each in a line.
pub mod what {
    use api_types::LeaseRequest;

    use crate::{
        format::{mebibytes, one_line},
        text::leases::cores,
    };

    /// The longest part of a command in such a line; all of it stands beside the button.
    const LONGEST: usize = 80;

    /// A lease.
    pub fn lease(request: &LeaseRequest) -> String {
        format!(
            "Lease {}, {} memory, {} disk for {} minutes",
            cores(request.cores),
            mebibytes(request.memory_mb),
            mebibytes(request.disk_gb.saturating_mul(1024)),
            request.runtime_minutes
        )
    }
    /// A container whose name is not known.
    pub fn container(ctid: u32) -> String {
        format!("container {ctid}")
    }
    /// More time.
    pub fn renew(container: &str, minutes: u32) -> String {
        format!("Renew {container} for {}", crate::format::minutes(minutes))
    }
    /// A command.
    pub fn run(container: &str, command: &str) -> String {
        format!("Run `{}` in {container}", one_line(command, LONGEST))
    }
    /// A terminal.
    pub fn console(container: &str) -> String {
        format!("Open a terminal to {container}")
    }
    /// The list.
    pub const LIST: &str = "List my containers";
}

/// The request that is paid for.
pub mod sends {
    /// Heading.
    pub const TITLE: &str = "Exactly what is sent";
    /// A command.
    pub const COMMAND: &str = "Command";
    /// One of its arguments.
    pub fn argument(number: usize) -> String {
        format!("Argument {number}")
    }
    /// A body without members.
    pub const BODY: &str = "Body";
    /// What the marks are.
    pub const MARKS: &str = "Marked words stand for invisible characters.";
}

/// Why a payment was refused. A text that nothing was charged follows it.
pub mod refusal {
    /// The payer's balance is too low.
    pub const TOO_LITTLE: &str = "Your balance is too low for this payment.";
    /// Its window has passed.
    pub const TOO_LATE: &str = "The signature came too late to be used. Pay again.";
    /// Its window has not begun.
    pub const TOO_EARLY: &str =
        "The signature cannot be used yet. Is the clock of this device right?";
    /// It is not the payer's.
    pub const SIGNATURE: &str = "The signature does not fit the account that pays.";
    /// It was used before.
    pub const USED: &str = "This signature was used before. Pay again.";
    /// It is for other terms.
    pub const CHANGED: &str = "The price or its terms have changed since you signed. Pay again.";
    /// It is for another network or token.
    pub const NETWORK: &str = "The payment is signed for another network or token.";
    /// The token refuses the transfer.
    pub const TOKEN: &str = "The token refused the transfer.";
    /// Without a reason.
    pub const NOT_TAKEN: &str = "The payment was refused.";
    /// With one that has no words here.
    pub fn not_taken(reason: &str) -> String {
        format!("The payment was refused: {reason}.")
    }
}

/// The outcome of a payment, if the service does not tell it.
pub mod answer {
    /// The outcome is not known yet.
    pub const NOT_KNOWN: &str = "It is not known yet whether the payment moved money.";
    /// The answer was lost.
    pub const NO_ANSWER: &str =
        "No answer came. The same signature is sent again; nothing can be charged twice.";
    /// The answer stayed lost.
    pub const RAN_OUT: &str = "No answer came before the signature expired. It is not known whether the payment moved money.";
    /// The response is about something else.
    pub const UNCONFIRMED: &str = "The service does not tell the outcome of this payment.";
    /// The list of payments has it as owed.
    pub const OWED: &str = "You paid, and it could not be delivered.";
}
