//! Bodies and events of the agent's `POST /chat`. The fields `message`, `history` and
//! `payment_headers` are the prototype's; hence the snake case of this module. A call that costs
//! money suspends the turn: the answer carries a [`PaymentRequest`] and a sealed `pending`, and the
//! next request brings `pending` back with a signed header.

use std::{collections::BTreeMap, fmt};

use secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::ErrorBody, price::Price, time::Timestamp};

/// The body of `POST /chat`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// What the customer says; may be empty when a suspended call is resumed or cancelled.
    #[serde(default)]
    pub message: String,
    /// What was said before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ChatMessage>,
    /// `X-PAYMENT` or `PAYMENT-SIGNATURE` for the suspended call.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub payment_headers: Option<BTreeMap<String, Secret>>,
    /// The suspended call, as the last answer gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Gives the suspended call up, with the reason that the model hears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// The customer's explicit yes to the call in `pending`, which ends something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
    /// Credentials for the suspended call; they go past the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<ChatSecrets>,
    /// The wallet session's bearer token of the lease API, for free reads.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub session: Option<Secret>,
    /// The connected wallet's address; a pending call is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatMessage {
    /// Who said it.
    pub role: ChatRole,
    /// What was said.
    pub content: String,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// The customer.
    User,
    /// The agent.
    Assistant,
}

/// Credentials that a container is made with; one of the two, or none for a made password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatSecrets {
    /// The root password.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub password: Option<Secret>,
    /// A public key for `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
}

/// The answer of `POST /chat` as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatResponse {
    /// What the agent says.
    pub reply: String,
    /// What has to be signed before the turn goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_request: Option<PaymentRequest>,
    /// The suspended call, to be sent back as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Everything that happened in the turn, in order, without the tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ChatEvent>,
    /// The turn's id, also in the logs of the lease API.
    pub turn_id: String,
}

/// One event of a turn; in an event stream, `type` is the event's name as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatEvent {
    /// A piece of the agent's words.
    Token {
        /// The piece.
        text: String,
    },
    /// A tool is called.
    ToolStart {
        /// The call's id within the turn.
        id: String,
        /// The tool's name.
        tool: String,
        /// For people: what is done.
        title: String,
        /// The arguments, without secrets.
        #[cfg_attr(feature = "schema", schemars(with = "crate::any_json::AnyJson"))]
        arguments: Value,
    },
    /// The tool has answered.
    ToolDone {
        /// The call's id within the turn.
        id: String,
        /// The tool's name.
        tool: String,
        /// Whether it did what it was asked.
        ok: bool,
        /// One line for people.
        summary: String,
        /// The whole answer, for the interface; a made password is in here, and never in the model's view.
        #[cfg_attr(feature = "schema", schemars(with = "crate::any_json::AnyJson"))]
        result: Value,
        /// Proof of payment, where something was paid: the decoded receipt header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Option<crate::any_json::AnyJson>")
        )]
        receipt: Option<Value>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// The turn is suspended until this is paid.
    PaymentRequired {
        /// The call's id within the turn.
        id: String,
        /// What has to be signed.
        request: Box<PaymentRequest>,
        /// The suspended call.
        pending: String,
    },
    /// The turn is suspended until the customer says yes to a call that ends something.
    ConfirmRequired {
        /// The call's id within the turn.
        id: String,
        /// What would be done.
        call: SuspendedCall,
        /// The suspended call, sealed.
        pending: String,
    },
    /// The turn is over.
    Final {
        /// All of the agent's words in this turn.
        reply: String,
        /// The turn's id.
        turn_id: String,
    },
    /// The turn broke off.
    Error {
        /// Why.
        error: ErrorBody,
    },
}

impl ChatEvent {
    /// The event's name in a stream.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::ToolStart { .. } => "tool_start",
            Self::ToolDone { .. } => "tool_done",
            Self::PaymentRequired { .. } => "payment_required",
            Self::ConfirmRequired { .. } => "confirm_required",
            Self::Final { .. } => "final",
            Self::Error { .. } => "error",
        }
    }
}

/// A call that waits for the customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuspendedCall {
    /// The tool's name.
    pub tool: String,
    /// The HTTP method.
    pub method: String,
    /// The path on the lease API.
    pub path: String,
    /// The body, byte for byte as it will be sent; secrets are added at the end. The content of a
    /// file, which is no JSON, is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::any_json::AnyJson>")
    )]
    pub body: Option<Value>,
    /// One line for people: "Lease 1 core, 512 MB, 8 GB disk for 60 minutes".
    pub summary: String,
    /// The whole command line of a call that runs one, with its arguments as the container's shell
    /// reads them. Marks name what else decides what it does: `⟨as web⟩`, `⟨in /srv⟩`, `⟨with A=1⟩`,
    /// `⟨in the background⟩`, and `⟨standard input⟩` before that. What cannot be seen is a mark such
    /// as `⟨U+202E⟩` or `⟨90 spaces⟩`; line breaks are line breaks. To be shown in full before it is paid for: `summary` holds its beginning
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The lease that the call is for, where the wallet is signed in: never the next one with the
    /// same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<SuspendedLease>,
}

/// The lease that a suspended call is for, as it was when the customer was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SuspendedLease {
    /// The id of the lease, which no other lease ever has.
    pub lease_id: String,
    /// The container's number on Proxmox (VMID), which later leases may have.
    pub ctid: u32,
    /// The name of the container.
    pub hostname: String,
    /// Its address, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The end of the paid time, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What has to be paid for a suspended call, as the lease API asked for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentRequest {
    /// Always 1: the members beside it are the version 1 body, as the prototype's interface read it.
    #[serde(rename = "x402Version")]
    pub x402_version: u8,
    /// Why the call was not done.
    #[serde(default)]
    pub error: String,
    /// The version 1 `PaymentRequirements`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::any_json::AnyJson>"))]
    pub accepts: Vec<Value>,
    /// The version 2 `PAYMENT-REQUIRED` header's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_required: Option<String>,
    /// The suspended call.
    pub call: SuspendedCall,
    /// Atomic units of the asset.
    pub amount: String,
    /// The network by its version 1 name: `base-sepolia`.
    pub network: String,
    /// The token's address.
    pub asset: String,
    /// Who is paid.
    pub pay_to: String,
    /// Until when the offer stands.
    pub valid_until: Timestamp,
    /// The price with its line items, where the lease API gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Whether the call takes `secrets` (a new container).
    #[serde(default)]
    pub needs_credential: bool,
    /// Whether this replaces an offer whose price has moved since it was signed.
    #[serde(default)]
    pub price_changed: bool,
}

/// The answer of `GET /info`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentInfo {
    /// `openai`, `flockio`, `openai-compatible` or `offline`.
    pub provider: String,
    /// The host where the model is asked, without scheme, port or path; absent offline.
    pub base_url: Option<String>,
    /// The model's name.
    pub model_name: String,
    /// Masked to nothing useful; absent where none is set.
    pub api_key: Option<String>,
}

impl fmt::Debug for AgentInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentInfo")
            .field("provider", &self.provider)
            .field("base_url", &self.base_url)
            .field("model_name", &self.model_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn the_prototypes_request_is_understood_and_its_header_hidden() {
        let body = json!({
            "message": "lease one", "history": [{"role": "user", "content": "hi"}],
            "payment_headers": {"X-PAYMENT": "c2lnbmVk"},
        });
        let request: ChatRequest = from_value(body.clone()).unwrap();
        assert!(!format!("{request:?}").contains("c2lnbmVk"));
        assert_eq!(to_value(&request).unwrap(), body);
        assert!(
            from_value::<ChatRequest>(json!({"history": [{"role": "system", "content": "x"}]}))
                .is_err()
        );
    }

    #[test]
    fn an_event_carries_its_name() {
        let event = ChatEvent::ToolStart {
            id: "c1".into(),
            tool: "quote_lease".into(),
            title: "Asking for the price".into(),
            arguments: from_value(json!({"cores": 1})).unwrap(),
        };
        let value = to_value(&event).unwrap();
        assert_eq!(value["type"], event.name());
        assert_eq!(from_value::<ChatEvent>(value).unwrap(), event);
    }

    #[test]
    fn a_payment_request_is_a_version_1_body_with_more_beside_it() {
        let body = json!({
            "x402Version": 1, "error": "payment required", "accepts": [{"scheme": "exact"}], "payment_required": "e30=",
            "call": {"tool": "lease_container", "method": "POST", "path": "/lease/container", "body": {"cores": 1}, "summary": "Lease"},
            "amount": "10000", "network": "base-sepolia", "asset": "0x036C", "pay_to": "0x7099",
            "valid_until": "2026-01-01T00:00:00Z", "needs_credential": true, "price_changed": false,
        });
        let request: PaymentRequest = from_value(body.clone()).unwrap();
        assert_eq!(to_value(&request).unwrap(), body);
    }
}
