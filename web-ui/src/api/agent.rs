//! The agent: who it is, and a turn of conversation.

use api_types::{AgentInfo, ChatEvent, ChatRequest, ChatResponse};
use leptos::prelude::*;

use super::{
    ApiError,
    fetch::{self, Abort, Call},
};

/// The agent's service.
#[derive(Clone, Copy, Debug)]
pub struct AgentApi {
    base: StoredValue<String>,
}

impl AgentApi {
    /// The service at an address.
    pub fn new(base: String) -> Self {
        Self {
            base: StoredValue::new(base),
        }
    }

    fn url(&self, path: &str) -> String {
        self.base.with_value(|base| format!("{base}{path}"))
    }

    /// Which model answers.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn info(&self) -> Result<AgentInfo, ApiError> {
        let response = fetch::send(&Call::get(self.url("/info")).timed()).await?;
        let body = fetch::text(&response).await?;
        if !response.ok() {
            return Err(ApiError::from_answer(response.status(), &body));
        }
        serde_json::from_str(&body).map_err(|_| ApiError::Unreadable {
            status: response.status(),
        })
    }

    /// One turn. Events are given as they come; a service that does not stream gives them all at its end.
    ///
    /// # Errors
    /// See [`ApiError`]; a stream that ends without `final`, a question or an `error` was cut, and is [`ApiError::Unreachable`].
    pub async fn chat(
        &self,
        request: &ChatRequest,
        abort: &Abort,
        mut on_event: impl FnMut(ChatEvent),
    ) -> Result<(), ApiError> {
        let body = serde_json::to_string(request).expect("the contract's types are JSON");
        let call = Call::new("POST", self.url("/chat"))
            .json(body)
            .header("accept", "text/event-stream")
            .timed()
            .abort(abort.clone());
        let response = fetch::send(&call).await?;
        if !response.ok() {
            let body = fetch::text(&response).await?;
            return Err(ApiError::from_answer(response.status(), &body));
        }
        let kind = response.headers().get("content-type").ok().flatten();
        if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let mut over = false;
            fetch::events(&response, |event| {
                // An event of a later version of the service is passed over.
                if let Ok(event) = serde_json::from_str::<ChatEvent>(&event.data) {
                    over |= ends_turn(&event);
                    on_event(event);
                }
            })
            .await?;
            return if over {
                Ok(())
            } else {
                Err(ApiError::Unreachable)
            };
        }
        let body = fetch::text(&response).await?;
        let answer: ChatResponse =
            serde_json::from_str(&body).map_err(|_| ApiError::Unreadable {
                status: response.status(),
            })?;
        let over = answer.events.iter().any(ends_turn);
        answer.events.into_iter().for_each(&mut on_event);
        if !over {
            on_event(ChatEvent::Final {
                reply: answer.reply,
                turn_id: answer.turn_id,
            });
        }
        Ok(())
    }
}

fn ends_turn(event: &ChatEvent) -> bool {
    matches!(
        event,
        ChatEvent::Final { .. }
            | ChatEvent::Error { .. }
            | ChatEvent::PaymentRequired { .. }
            | ChatEvent::ConfirmRequired { .. }
    )
}
