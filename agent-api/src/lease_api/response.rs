//! A response of the lease API.

use api_types::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::LeaseApiError;
use crate::{payment::PaymentChallenge, tools::CallPlan};

/// A response with any status.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if there is none.
    pub body: Value,
    /// The version 2 challenge, encoded.
    pub payment_required: Option<String>,
    /// The decoded receipt.
    pub receipt: Option<Value>,
    /// Seconds after which a retry may succeed.
    pub retry_after: Option<u64>,
}

impl LeaseApiResponse {
    /// A response with nothing but status and body, for tests.
    #[cfg(test)]
    pub(super) fn bare(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            payment_required: None,
            receipt: None,
            retry_after: None,
        }
    }

    /// Whether the call succeeded.
    pub fn is_done(&self) -> bool {
        matches!(self.status, 200 | 201 | 204 | 206)
    }

    /// Whether the response asks for a payment.
    pub fn wants_payment(&self) -> bool {
        self.status == 402
    }

    /// Whether a copy of the same call is still in progress.
    pub fn is_in_progress(&self) -> bool {
        self.code() == Some(ErrorCode::PaymentInProgress)
    }

    /// The terms of a 402. `now` is in Unix seconds.
    ///
    /// # Errors
    /// As for [`PaymentChallenge::read`].
    pub fn challenge(&self, plan: &CallPlan, now: u64) -> Result<PaymentChallenge, String> {
        PaymentChallenge::read(self.payment_required.as_deref(), &self.body, plan, now)
    }

    /// Reads the body as the contract's type.
    ///
    /// # Errors
    /// [`LeaseApiError::Nonsense`]: the body has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, LeaseApiError> {
        T::deserialize(&self.body).map_err(|_| LeaseApiError::Nonsense)
    }

    /// The error in the body, if it follows the contract.
    pub fn error(&self) -> Option<ErrorBody> {
        serde_json::from_value(self.body.get("error")?.clone()).ok()
    }

    /// The code of the error.
    pub fn code(&self) -> Option<ErrorCode> {
        self.error().map(|error| error.code)
    }

    /// Whether money moved for the call.
    pub fn is_paid(&self) -> bool {
        let receipt = self.receipt.as_ref();
        receipt.is_some_and(|receipt| receipt["success"] == true)
    }

    /// The refusal in one sentence for people, and with its details for the model.
    pub fn refusal(&self) -> (String, Value) {
        let Some(error) = self.error() else {
            if self.status == 416 {
                let message = "The file ends before this offset.";
                return (message.to_owned(), json!({ "message": message }));
            }
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

    #[test]
    fn a_refusal_names_every_field() {
        let body = json!({"error": {
            "code": "invalid_request", "message": "Some fields are not acceptable.", "retryable": false,
            "details": {"fields": [{"field": "cores", "message": "has to be from 1 to 8"}]}, "requestId": "r",
        }});
        let (sentence, told) = LeaseApiResponse::bare(400, body).refusal();
        assert_eq!(
            sentence,
            "Some fields are not acceptable. cores has to be from 1 to 8."
        );
        assert_eq!(told["fields"][0]["field"], "cores");
    }

    #[test]
    fn the_text_of_an_unknown_refusal_is_not_passed_on() {
        let (sentence, told) =
            LeaseApiResponse::bare(500, json!({"stack": "secret trace"})).refusal();
        assert_eq!(sentence, "The lease API answered with status 500.");
        assert!(!told.to_string().contains("secret"));
    }
}
