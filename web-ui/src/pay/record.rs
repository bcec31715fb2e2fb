//! What is kept in the browser while a signature is under way. It is written before the first attempt and removed when the outcome
//! is known: a page that is loaded again finds it and sends the very same signature again.

use std::{collections::BTreeMap, fmt};

use alloy::primitives::hex;
use api_types::{ChatRequest, ChatSecrets, Price, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    call::Call,
    card::{CardId, Offer, PayCard, Phase, Via},
};

/// How a container's owner will get in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// The server makes a password and shows it once.
    #[default]
    Made,
    /// The customer's own password.
    Password(Secret),
    /// The customer's own public key.
    SshKey(String),
}

impl Credential {
    /// As the agent takes it.
    pub fn secrets(self) -> Option<ChatSecrets> {
        match self {
            Self::Made => None,
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

    /// A call with it.
    pub fn put_into(self, call: &Call) -> Call {
        let mut call = call.clone();
        if let Call::Lease(request) = &mut call {
            match self {
                Self::Made => {}
                Self::Password(password) => request.password = Some(password),
                Self::SshKey(key) => request.ssh_public_key = Some(key),
            }
        }
        call
    }
}

/// The signed request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Signed {
    /// For the lease API.
    Direct {
        /// What is called, credential included.
        call: Box<Call>,
        /// Name and value of the payment's header.
        header: (String, Secret),
        /// The same in each attempt, and nobody else's: with it the answer is had again. Earlier versions of this page kept none, or
        /// one that was made of the payment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// For the agent.
    Agent {
        /// The conversation that it belongs to.
        conversation: String,
        /// The tool's name.
        tool: String,
        /// The request, payment and credential included.
        request: Box<ChatRequest>,
    },
}

/// A signed request with what its card shows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The signed request.
    pub signed: Signed,
    /// One line for people.
    pub summary: String,
    /// What was offered.
    pub offer: Offer,
    /// The price with its lines.
    pub price: Option<Price>,
    /// The end of the signature's window, in Unix seconds.
    pub valid_before: u64,
    /// Whether it is counted in what was spent.
    #[serde(default)]
    pub counted: bool,
    /// Whether an earlier copy of the request may have moved money: it was sent, and what came of it is not known for sure.
    #[serde(default)]
    pub was_open: bool,
}

/// A key for one request, of fresh random bits: what a payment consists of is public once it is settled.
pub fn idempotency_key(random: [u8; 16]) -> String {
    hex::encode(random)
}

/// A record holds signatures and credentials: it is not for logs.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// The card of a record that was found after a reload.
    pub fn card(&self, id: CardId) -> PayCard {
        let via = match &self.signed {
            Signed::Direct { call, .. } => Via::Direct(without_secrets(call)),
            Signed::Agent {
                conversation, tool, ..
            } => Via::Agent {
                conversation: conversation.clone(),
                tool: tool.clone(),
            },
        };
        PayCard {
            summary: self.summary.clone(),
            offer: Some(self.offer.clone()),
            price: self.price.clone(),
            phase: Phase::Signed,
            ..PayCard::new(id, via)
        }
    }
}

/// The request that goes on with a suspended call.
pub fn resumed(
    pending: String,
    history: Vec<api_types::ChatMessage>,
    header: (String, Secret),
    credential: Credential,
    wallet: String,
    session: Option<Secret>,
) -> ChatRequest {
    ChatRequest {
        history,
        payment_headers: Some(BTreeMap::from([header])),
        pending: Some(pending),
        secrets: credential.secrets(),
        session,
        wallet: Some(wallet),
        ..ChatRequest::default()
    }
}

/// A call as it may stay on the page.
pub fn without_secrets(call: &Call) -> Call {
    let mut call = call.clone();
    if let Call::Lease(request) = &mut call {
        request.password = None;
    }
    call
}

/// All records, as they are stored: by the payment's nonce.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Records(pub BTreeMap<String, Record>);

impl Records {
    /// Reads what is stored. A record of an earlier version of this page that cannot be read is left out, the others are not.
    pub fn read(text: &str) -> Self {
        let records: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let read = |(nonce, record)| Some((nonce, serde_json::from_value(record).ok()?));
        Self(records.into_iter().filter_map(read).collect())
    }

    /// As it is stored.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("records are JSON")
    }
}

#[cfg(test)]
mod tests {
    use api_types::{LeaseRequest, Timestamp, Usdc};

    use super::*;

    fn record() -> Record {
        let call = Credential::Password(Secret::new("correct horse"))
            .put_into(&Call::Lease(LeaseRequest::default()));
        Record {
            signed: Signed::Direct {
                call: Box::new(call),
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
    fn a_key_is_random_and_long_enough_to_be_kept_by_the_service() {
        let key = idempotency_key([0xab; 16]);
        assert_eq!(key, "ab".repeat(16));
        assert_ne!(key, idempotency_key([0xac; 16]));
    }

    #[test]
    fn records_of_earlier_versions_are_sent_on_with_the_key_that_they_have_or_none() {
        let mut old = serde_json::to_value(record()).unwrap();
        let members = old.as_object_mut().unwrap();
        members.remove("was_open");
        members["signed"]["Direct"]["idempotency_key"] = "web-01".into();
        let read = |record: &Value| {
            let record: Record = serde_json::from_value(record.clone()).unwrap();
            match record.signed {
                Signed::Direct {
                    idempotency_key, ..
                } => idempotency_key,
                Signed::Agent { .. } => unreachable!(),
            }
        };
        assert_eq!(read(&old).as_deref(), Some("web-01"));
        let direct = old["signed"]["Direct"].as_object_mut().unwrap();
        direct.remove("idempotency_key");
        assert_eq!(read(&old), None);
    }

    #[test]
    fn a_reload_finds_the_very_same_signature() {
        let records = Records(BTreeMap::from([("0x01".to_owned(), record())]));
        assert_eq!(Records::read(&records.write()), records);
    }

    #[test]
    fn one_bad_record_does_not_hide_the_others() {
        let good = serde_json::to_string(&record()).unwrap();
        let text = format!(r#"{{"0x01":{{"signed":"?"}},"0x02":{good}}}"#);
        let read = Records::read(&text);
        assert_eq!(read.0.keys().collect::<Vec<_>>(), ["0x02"]);
        assert_eq!(Records::read("<html>"), Records::default());
    }

    #[test]
    fn neither_the_debug_text_nor_the_card_has_a_secret() {
        let (record, card) = (record(), record().card(1));
        let shown = format!("{record:?} {card:?}");
        assert!(!shown.contains("c2lnbmVk") && !shown.contains("correct horse"));
        assert!(card.via == Via::Direct(Call::Lease(LeaseRequest::default())));
    }

    #[test]
    fn a_resumed_call_brings_the_header_and_the_credential_past_the_model() {
        let header = ("PAYMENT-SIGNATURE".to_owned(), Secret::new("c2lnbmVk"));
        let key = Credential::SshKey("ssh-ed25519 AAAA".into());
        let request = resumed(
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
