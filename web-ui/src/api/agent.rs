//! The agent: which model it uses, and a turn of a conversation.

use api_types::{AgentInfo, ChatEvent, ChatRequest, ChatResponse};
use leptos::prelude::*;

use crate::http::{AbortHandle, HttpRequest, RequestError, fetch};

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

    /// Which model the agent uses.
    ///
    /// # Errors
    /// The request failed.
    pub async fn info(&self) -> Result<AgentInfo, RequestError> {
        let response = fetch::send(&HttpRequest::get(self.url("/info")).read_date()).await?;
        let body = fetch::text(&response).await?;
        if !response.ok() {
            return Err(RequestError::from_response(response.status(), &body));
        }
        serde_json::from_str(&body).map_err(|_| RequestError::Unreadable {
            status: response.status(),
        })
    }

    /// Runs one turn and passes its events on as they come. A service that does not stream sends
    /// them all at the end.
    ///
    /// # Errors
    /// The request failed. A stream that ends without `final`, a question or an `error` was cut:
    /// [`RequestError::Unreachable`].
    pub async fn chat(
        &self,
        request: &ChatRequest,
        abort: &AbortHandle,
        mut on_event: impl FnMut(ChatEvent),
    ) -> Result<(), RequestError> {
        let body = serde_json::to_string(request).expect("the contract's types are JSON");
        let request = HttpRequest::new("POST", self.url("/chat"))
            .json(body)
            .header("accept", "text/event-stream")
            .read_date()
            .abort(abort.clone());
        let response = fetch::send(&request).await?;
        if !response.ok() {
            let body = fetch::text(&response).await?;
            return Err(RequestError::from_response(response.status(), &body));
        }
        let content_type = response.headers().get("content-type").ok().flatten();
        if content_type.is_some_and(|text| text.starts_with("text/event-stream")) {
            let mut over = false;
            fetch::events(&response, |event| {
                // An event that a later version of the service adds is skipped.
                if let Ok(event) = serde_json::from_str::<ChatEvent>(&event.data) {
                    over |= ends_turn(&event);
                    on_event(event);
                }
            })
            .await?;
            return if over {
                Ok(())
            } else {
                Err(RequestError::Unreachable)
            };
        }
        let body = fetch::text(&response).await?;
        let answer: ChatResponse =
            serde_json::from_str(&body).map_err(|_| RequestError::Unreadable {
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
