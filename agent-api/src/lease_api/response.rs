//! What the lease API answered.

use api_types::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::LeaseApiError;
use crate::{payment::Demand, tools::CallPlan};

/// An answer of any status.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body; null where there is none.
    pub body: Value,
    /// The version 2 challenge, encoded.
    pub payment_required: Option<String>,
    /// The decoded receipt.
    pub receipt: Option<Value>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u64>,
}

impl LeaseApiResponse {
    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        matches!(self.status, 200 | 201 | 204)
    }

    /// Whether it wants a payment.
    pub fn wants_payment(&self) -> bool {
        self.status == 402
    }

    /// Whether a copy of the same call is being worked on.
    pub fn is_in_progress(&self) -> bool {
        self.code() == Some(ErrorCode::PaymentInProgress)
    }

    /// The terms of a 402. `now` is in Unix seconds.
    ///
    /// # Errors
    /// As for [`Demand::read`].
    pub fn demand(&self, plan: &CallPlan, now: u64) -> Result<Demand, String> {
        Demand::read(self.payment_required.as_deref(), &self.body, plan, now)
    }

    /// The body as the type that the contract says it has.
    ///
    /// # Errors
    /// [`LeaseApiError::Nonsense`]: it has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, LeaseApiError> {
        T::deserialize(&self.body).map_err(|_| LeaseApiError::Nonsense)
    }

    /// The error that it gives, where it gives one in the contract's words.
    pub fn error(&self) -> Option<ErrorBody> {
        serde_json::from_value(self.body.get("error")?.clone()).ok()
    }

    /// The code of its error.
    pub fn code(&self) -> Option<ErrorCode> {
        self.error().map(|error| error.code)
    }

    /// Whether money moved for it.
    pub fn is_paid(&self) -> bool {
        let receipt = self.receipt.as_ref();
        receipt.is_some_and(|receipt| receipt["success"] == true)
    }

    /// What is wrong, in one sentence for people, and for the model with the particulars.
    pub fn refusal(&self) -> (String, Value) {
        let Some(error) = self.error() else {
            let message = format!("The lease API answered with status {}.", self.status);
            return (message.clone(), json!({ "message": message }));
        };
        let fields: Vec<_> = error
            .details
            .into_iter()
            .flat_map(|details| details.fields)
            .collect();
        let mut sentence = error.message.clone();
        for field in &fields {
            sentence.push_str(&format!(" {} {}.", field.field, field.message));
        }
        let told = json!({
            "code": error.code, "message": error.message, "fields": fields, "retryable": error.retryable,
            "nextActions": error.next_actions,
        });
        (sentence, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: Value) -> LeaseApiResponse {
        LeaseApiResponse {
            status,
            body,
            payment_required: None,
            receipt: None,
            retry_after: None,
        }
    }

    #[test]
    fn a_refusal_names_every_field() {
        let body = json!({"error": {
            "code": "invalid_request", "message": "Some fields are not acceptable.", "retryable": false,
            "details": {"fields": [{"field": "cores", "message": "has to be from 1 to 8"}]}, "requestId": "r",
        }});
        let (sentence, told) = answer(400, body).refusal();
        assert_eq!(
            sentence,
            "Some fields are not acceptable. cores has to be from 1 to 8."
        );
        assert_eq!(told["fields"][0]["field"], "cores");
    }

    #[test]
    fn a_refusal_in_no_known_words_is_not_repeated() {
        let (sentence, told) = answer(500, json!({"stack": "secret trace"})).refusal();
        assert_eq!(sentence, "The lease API answered with status 500.");
        assert!(!told.to_string().contains("secret"));
    }
}
