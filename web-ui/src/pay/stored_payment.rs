//! What the browser stores while a payment is under way. It is written before the first attempt and
//! removed when the outcome is known: a page that is loaded again finds it and sends the same
//! signed request again.

use std::{collections::BTreeMap, fmt};

use alloy::primitives::hex;
use api_types::{ChatRequest, ChatSecrets, Price, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    card::{CardId, Offer, PayCard, PaymentPhase, PurchaseVia},
    operation::PaidOperation,
};

/// How the owner of a new container logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoginCredential {
    /// The service generates a password and shows it once.
    #[default]
    Generated,
    /// The customer's own password.
    Password(Secret),
    /// The customer's own public key.
    SshKey(String),
}

impl LoginCredential {
    /// The credential as the agent reads it.
    pub fn into_secrets(self) -> Option<ChatSecrets> {
        match self {
            Self::Generated => None,
            Self::Password(password) => Some(ChatSecrets {
                password: Some(password),
                ..ChatSecrets::default()
            }),
            Self::SshKey(key) => Some(ChatSecrets {
                ssh_public_key: Some(key),
                ..ChatSecrets::default()
            }),
        }
    }

    /// The operation with this credential.
    pub fn add_to(self, operation: &PaidOperation) -> PaidOperation {
        let mut operation = operation.clone();
        if let PaidOperation::Lease(request) = &mut operation {
            match self {
                Self::Generated => {}
                Self::Password(password) => request.password = Some(password),
                Self::SshKey(key) => request.ssh_public_key = Some(key),
            }
        }
        operation
    }
}

/// A signed request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum SignedRequest {
    /// For the lease API.
    Direct {
        /// The operation, with the credential.
        call: Box<PaidOperation>,
        /// Name and value of the payment's header.
        #[serde(serialize_with = "api_types::secret::serialize_exposed")]
        header: (String, Secret),
        /// The idempotency key, the same in each attempt, and secret: with it the
        /// service repeats its answer. Earlier versions of this page stored none, or one that was
        /// derived from the payment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// For the agent.
    Agent {
        /// The conversation that it belongs to.
        conversation: String,
        /// The tool's name.
        tool: String,
        /// The request, with payment and credential.
        request: Box<ChatRequest>,
    },
}

/// A signed request, with what its card shows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredPayment {
    /// The signed request.
    pub signed: SignedRequest,
    /// One line for people.
    pub summary: String,
    /// The offer.
    pub offer: Offer,
    /// The price with its lines.
    pub price: Option<Price>,
    /// When the signature expires, in Unix seconds.
    pub valid_before: u64,
    /// Whether it is counted in the spent sum.
    #[serde(default)]
    pub counted: bool,
    /// Whether an earlier copy of the request may have moved money: it was sent, and its outcome is
    /// not known for sure.
    #[serde(default)]
    pub was_open: bool,
}

/// The idempotency key of one request. It is of fresh random bits, because the payment's own data
/// is public once it settles.
pub fn idempotency_key(random: [u8; 16]) -> String {
    hex::encode(random)
}

/// It contains signatures and credentials, which must not be logged.
impl fmt::Debug for StoredPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPayment")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl StoredPayment {
    /// The card of a stored payment that was found after a reload.
    pub fn card(&self, id: CardId) -> PayCard {
        let via = match &self.signed {
            SignedRequest::Direct { call, .. } => PurchaseVia::Direct(call.without_secrets()),
            SignedRequest::Agent {
                conversation, tool, ..
            } => PurchaseVia::Agent {
                conversation: conversation.clone(),
                tool: tool.clone(),
            },
        };
        PayCard {
            summary: self.summary.clone(),
            offer: Some(self.offer.clone()),
            price: self.price.clone(),
            phase: PaymentPhase::Signed,
            ..PayCard::new(id, via)
        }
    }
}

/// The request that resumes a suspended call.
pub fn resume_request(
    pending: String,
    history: Vec<api_types::ChatMessage>,
    header: (String, Secret),
    credential: LoginCredential,
    wallet: String,
    session: Option<Secret>,
) -> ChatRequest {
    ChatRequest {
        history,
        payment_headers: Some(BTreeMap::from([header])),
        pending: Some(pending),
        secrets: credential.into_secrets(),
        session,
        wallet: Some(wallet),
        ..ChatRequest::default()
    }
}

/// All stored payments, by nonce.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredPayments(pub BTreeMap<String, StoredPayment>);

impl StoredPayments {
    /// Reads the stored text. Payments of an earlier version of this page that cannot be read are
    /// left out.
    pub fn read(text: &str) -> Self {
        let payments: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let read = |(nonce, payment)| Some((nonce, serde_json::from_value(payment).ok()?));
        Self(payments.into_iter().filter_map(read).collect())
    }

    /// The text to be stored.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("stored payments are JSON")
    }
}

#[cfg(test)]
mod tests {
    use api_types::{LeaseRequest, Timestamp, Usdc};

    use super::*;

    fn payment() -> StoredPayment {
        let operation = LoginCredential::Password(Secret::new("correct horse"))
            .add_to(&PaidOperation::Lease(LeaseRequest::default()));
        StoredPayment {
            signed: SignedRequest::Direct {
                call: Box::new(operation),
                header: ("payment-signature".into(), Secret::new("c2lnbmVk")),
                idempotency_key: Some(idempotency_key([7; 16])),
            },
            summary: "Lease".into(),
            offer: Offer {
                amount: Usdc(8900),
                network: "Base Sepolia".into(),
                chain_id: 84532,
                testnet: true,
                asset: "0x036C".into(),
                pay_to: "0x7099".into(),
                valid_until: Timestamp(9),
            },
            price: None,
            valid_before: 9,
            counted: false,
            was_open: false,
        }
    }

    #[test]
    fn an_idempotency_key_is_random_and_long_enough() {
        let key = idempotency_key([0xab; 16]);
        assert_eq!(key, "ab".repeat(16));
        assert_ne!(key, idempotency_key([0xac; 16]));
    }

    #[test]
    fn payments_of_earlier_versions_keep_their_idempotency_key_or_have_none() {
        let mut old = serde_json::to_value(payment()).unwrap();
        let members = old.as_object_mut().unwrap();
        members.remove("was_open");
        members["signed"]["Direct"]["idempotency_key"] = "web-01".into();
        let read = |payment: &Value| {
            let payment: StoredPayment = serde_json::from_value(payment.clone()).unwrap();
            match payment.signed {
                SignedRequest::Direct {
                    idempotency_key, ..
                } => idempotency_key,
                SignedRequest::Agent { .. } => unreachable!(),
            }
        };
        assert_eq!(read(&old).as_deref(), Some("web-01"));
        let direct = old["signed"]["Direct"].as_object_mut().unwrap();
        direct.remove("idempotency_key");
        assert_eq!(read(&old), None);
    }

    #[test]
    fn a_reload_finds_the_same_signed_request() {
        let payments = StoredPayments(BTreeMap::from([("0x01".to_owned(), payment())]));
        assert_eq!(StoredPayments::read(&payments.write()), payments);
    }

    #[test]
    fn one_unreadable_payment_does_not_hide_the_others() {
        let good = serde_json::to_string(&payment()).unwrap();
        let text = format!(r#"{{"0x01":{{"signed":"?"}},"0x02":{good}}}"#);
        let read = StoredPayments::read(&text);
        assert_eq!(read.0.keys().collect::<Vec<_>>(), ["0x02"]);
        assert_eq!(StoredPayments::read("<html>"), StoredPayments::default());
    }

    #[test]
    fn neither_the_debug_text_nor_the_card_has_a_secret() {
        let (payment, card) = (payment(), payment().card(1));
        let shown = format!("{payment:?} {card:?}");
        assert!(!shown.contains("c2lnbmVk") && !shown.contains("correct horse"));
        assert!(card.via == PurchaseVia::Direct(PaidOperation::Lease(LeaseRequest::default())));
    }

    #[test]
    fn a_resumed_call_has_header_and_credential_outside_of_the_message() {
        let header = ("PAYMENT-SIGNATURE".to_owned(), Secret::new("c2lnbmVk"));
        let key = LoginCredential::SshKey("ssh-ed25519 AAAA".into());
        let request = resume_request(
            "sealed".into(),
            Vec::new(),
            header,
            key,
            "0xf39F".into(),
            None,
        );
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            serde_json::json!({
                "message": "", "payment_headers": {"PAYMENT-SIGNATURE": "c2lnbmVk"}, "pending": "sealed",
                "secrets": {"sshPublicKey": "ssh-ed25519 AAAA"}, "wallet": "0xf39F",
            })
        );
    }
}
