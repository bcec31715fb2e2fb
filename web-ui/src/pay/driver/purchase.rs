//! A purchase of the page or of the agent that waits for its payment, and what becomes of the turn
//! that it belongs to.

use api_types::{ChatEvent, ChatMessage, PaymentRequest};
use x402::purchase::Chosen;

use crate::{
    http::RequestError,
    pay::{CardId, PurchaseItem, RequestText},
};

/// What happens in an agent's turn that goes on after a payment.
#[derive(Clone, Debug)]
pub enum TurnUpdate {
    /// It starts, or starts again after the connection was lost. Earlier events of it are void.
    Started,
    /// An event of the turn.
    Event(Box<ChatEvent>),
    /// The connection was lost and the outcome of the payment is not known: nothing may be offered
    /// in its place.
    OnHold,
    /// It is over, or failed.
    Ended(Result<(), RequestError>),
}

/// A suspended call of the agent that waits for its payment.
#[derive(Clone, Debug)]
pub struct SuspendedPurchase {
    /// The conversation that it belongs to.
    pub conversation: String,
    /// The payment that it needs.
    pub request: PaymentRequest,
    /// The suspended call, sealed.
    pub pending: String,
    /// The conversation before it.
    pub history: Vec<ChatMessage>,
    /// The card of a refused payment that this one replaces.
    pub replaces: Option<CardId>,
    /// The account that it is for.
    pub made_for: Option<String>,
    /// Whether it came just now. Its time is then counted from now, whatever the service's clock
    /// says.
    pub fresh: bool,
}

/// What is needed to perform a card's purchase.
#[derive(Clone, Debug)]
pub(super) struct PendingPurchase {
    pub(super) source: PurchaseSource,
    pub(super) request: RequestText,
    pub(super) chosen: Option<Chosen>,
}

#[derive(Clone, Debug)]
/// Where a purchase comes from.
pub(super) enum PurchaseSource {
    Direct(PurchaseItem),
    Agent {
        conversation: String,
        tool: String,
        pending: String,
        history: Vec<ChatMessage>,
    },
}
