//! Sends a call with its payment: exactly as it was shown, with the customer's own signature, under
//! an idempotency key that makes a retry harmless.

use std::time::Instant;

use api_types::{ChatSecrets, ErrorCode, LeaseRequest, Limits};
use serde_json::json;

use super::{CustomerRequest, Driver, ToolCallOutcome, call::ToolReport};
use crate::{
    conversation::ToolCall,
    error::ApiError,
    lease_api::{KeyedPayment, LeaseApiResponse, PaidCallResult, PaymentFate},
    payment::{PaymentTerms, SignedHeader},
    pending::CustomerAction,
    tools::{CallPlan, RegisteredTool},
    turn::Turn,
};

impl Driver<'_> {
    /// Pays a call with the payment that came without a suspended call.
    #[allow(clippy::too_many_arguments)] // one call's whole context, used once
    pub(super) async fn spend(
        &mut self,
        turn: &Turn,
        call: &ToolCall,
        tool: &'static RegisteredTool,
        plan: CallPlan,
        terms: &PaymentTerms,
        voucher: &SignedHeader,
        start: Instant,
    ) -> ToolCallOutcome {
        let (policy, now) = (&self.app.config.policy, self.app.clock.unix_seconds());
        let payer = voucher.payer();
        // The same payment sent again is the same purchase. The tag stays in this process.
        let tag = self.app.sealer.tag("voucher", voucher.value());
        let key = self.app.used.key_of(&tag, now);
        if let Err(refused) = self.app.spending.reserve(policy, terms, &payer, now) {
            return self.report(
                call,
                ToolReport::failed(format!("{refused} Nothing was charged.")),
                start,
            );
        }
        let body = match self.body(&plan) {
            Ok(body) => body,
            Err(_) => {
                self.app.spending.release(terms, &payer);
                let message = "The password or key is not acceptable. Nothing was charged: enter another one.";
                return self.report(call, ToolReport::failed(message), start);
            }
        };
        let delivery = self
            .deliver(turn, &plan, body.as_deref(), voucher, &key)
            .await;
        match (self.settle(&tag, &delivery), delivery.answer) {
            (PaymentFate::Open, _) | (_, Err(_)) => {
                self.report(call, ToolReport::failed(STILL_OPEN), start)
            }
            (fate, Ok(answer)) => {
                if matches!(fate, PaymentFate::Asked | PaymentFate::Refused) {
                    self.app.spending.release(terms, &payer);
                }
                self.finish_paid(call, tool, plan, terms, &answer, start)
            }
        }
    }

    /// Records the outcome of a payment under its suspended call's id or its tag. A payment with an
    /// unknown outcome is closed only by a response that says whether money moved.
    pub(super) fn settle(&self, id: &str, delivery: &PaidCallResult) -> PaymentFate {
        let (used, now) = (&self.app.used, self.app.clock.unix_seconds());
        match delivery.fate() {
            fate @ (PaymentFate::Done | PaymentFate::Spent | PaymentFate::Owed) => {
                used.mark_closed(id);
                fate
            }
            fate @ (PaymentFate::Held | PaymentFate::Open) => {
                used.mark_open(id, now);
                fate
            }
            PaymentFate::Asked | PaymentFate::Refused if used.is_open(id) => PaymentFate::Open,
            fate @ (PaymentFate::Asked | PaymentFate::Refused) => fate,
        }
    }

    /// Sends a call with its payment.
    pub(super) async fn deliver(
        &mut self,
        turn: &Turn,
        plan: &CallPlan,
        body: Option<&str>,
        header: &SignedHeader,
        key: &str,
    ) -> PaidCallResult {
        let start = Instant::now();
        let payment = KeyedPayment { header, key };
        let caller = self.caller(turn.id(), None);
        let delivery = self.app.lease_api.pay(plan, body, payment, caller).await;
        self.external_time += start.elapsed();
        let outcome = match &delivery.answer {
            Ok(answer) => answer.status.to_string(),
            Err(error) => error.to_string(),
        };
        let (turn, tool, fate) = (turn.id(), &plan.tool, delivery.fate());
        tracing::info!(turn.id = turn, tool, outcome, payment.fate = ?fate, "a paid call was sent");
        delivery
    }

    /// The outcome of a paid call. A second 402 is shown to the customer and never paid silently.
    pub(super) fn finish_paid(
        &mut self,
        call: &ToolCall,
        tool: &'static RegisteredTool,
        plan: CallPlan,
        before: &PaymentTerms,
        answer: &LeaseApiResponse,
        start: Instant,
    ) -> ToolCallOutcome {
        if answer.wants_payment() {
            let now = self.app.clock.unix_seconds();
            return match answer.challenge(&plan, now) {
                Ok(mut challenge) => {
                    challenge.request.price_changed = challenge.terms.amount != before.amount;
                    ToolCallOutcome::Suspended(Box::new(CustomerRequest {
                        plan,
                        wanted: CustomerAction::Payment(challenge.terms),
                        request: Some(challenge.request),
                    }))
                }
                Err(problem) => self.report(call, ToolReport::failed(problem), start),
            };
        }
        let fate = answer.fate();
        let mut told = match fate {
            PaymentFate::Held => held(answer),
            PaymentFate::Owed => owed(answer),
            _ => ToolReport::answer(tool, answer),
        };
        let taken = matches!(
            fate,
            PaymentFate::Done | PaymentFate::Spent | PaymentFate::Owed | PaymentFate::Held
        );
        told.bought = taken.then(|| plan.mark());
        self.report(call, told, start)
    }

    /// The body as it is sent: the body that was shown, with the customer's credential added at its
    /// end.
    ///
    /// # Errors
    /// The credential is not valid; nothing was sent.
    pub(super) fn body(&self, plan: &CallPlan) -> Result<Option<String>, ApiError> {
        let given = self.secrets.as_ref().filter(|_| plan.takes_credential);
        let (Some(secrets), Some(body)) = (given, &plan.body) else {
            return Ok(plan.body.clone());
        };
        check_credential(secrets)?;
        with_secrets(body, secrets).map(Some)
    }
}

/// The report on a payment whose outcome is unknown.
const STILL_OPEN: &str = "It is not known yet whether the payment moved money. Do not sign or pay again for \
                          this: send the same request again to learn the outcome.";

fn held(answer: &LeaseApiResponse) -> ToolReport {
    let summary = "The payment arrived and is still being settled. Do not pay again.";
    ToolReport {
        ok: true,
        summary: summary.to_owned(),
        model: json!({ "summary": summary, "data": { "status": "settling" } }),
        interface: answer.body.clone(),
        receipt: answer.receipt.clone(),
        bought: None,
    }
}

fn owed(answer: &LeaseApiResponse) -> ToolReport {
    let summary = "You paid, and it could not be delivered: the amount is owed to you. Do not pay \
                   for it again.";
    let error = json!({ "code": "payment_owed", "message": summary, "retryable": false });
    ToolReport {
        ok: false,
        summary: summary.to_owned(),
        model: json!({ "error": error }),
        interface: json!({ "error": error }),
        receipt: answer.receipt.clone(),
        bought: None,
    }
}

/// Checks the credential before the payment is sent, so that the customer can correct it.
fn check_credential(secrets: &ChatSecrets) -> Result<(), ApiError> {
    let request = LeaseRequest {
        password: secrets.password.clone(),
        ssh_public_key: secrets.ssh_public_key.clone(),
        ..LeaseRequest::default()
    };
    Limits::default()
        .validate_lease(&request)
        .map_err(ApiError::invalid)
}

/// Adds the credential after the last member, so that every byte that was shown stays unchanged.
fn with_secrets(body: &str, secrets: &ChatSecrets) -> Result<String, ApiError> {
    let added = serde_json::to_string(secrets).unwrap_or_default();
    let (Some(shown), Some(added)) = (body.strip_suffix('}'), added.strip_prefix('{')) else {
        return Err(ApiError::new(
            ErrorCode::Internal,
            "The call takes no credential.",
        ));
    };
    let comma = if shown.ends_with('{') || added == "}" {
        ""
    } else {
        ","
    };
    Ok(format!("{shown}{comma}{added}"))
}

#[cfg(test)]
mod tests {
    use api_types::Secret;

    use super::*;

    #[test]
    fn a_credential_is_added_at_the_end_and_changes_no_other_byte() {
        let secrets = ChatSecrets {
            password: Some(Secret::new("correct \"horse\"")),
            ssh_public_key: None,
        };
        let body = r#"{"sku":"lxc-small","runtimeMinutes":60}"#;
        assert_eq!(
            with_secrets(body, &secrets).unwrap(),
            r#"{"sku":"lxc-small","runtimeMinutes":60,"password":"correct \"horse\""}"#
        );
        assert_eq!(with_secrets(body, &ChatSecrets::default()).unwrap(), body);
        assert_eq!(with_secrets("{}", &ChatSecrets::default()).unwrap(), "{}");
    }

    #[test]
    fn an_invalid_credential_is_refused_before_the_call_is_sent() {
        let secrets = ChatSecrets {
            password: Some(Secret::new("short")),
            ssh_public_key: Some("not a key".into()),
        };
        let error = check_credential(&secrets).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(!format!("{error:?}").contains("short"));
    }
}
