//! Translates a provider's failure into our error. The provider's text is never passed on, because
//! it may quote a key or the conversation.

use std::error::Error;

use async_openai::error::OpenAIError;
use http_body_util::LengthLimitError;
use serde_json::Value;

use crate::llm::ModelError;

/// The meaning of a failure.
pub(super) fn read(error: &OpenAIError) -> ModelError {
    if is_too_long(error) {
        return ModelError::Nonsense;
    }
    match error {
        OpenAIError::ApiError(answer) => {
            let api = &answer.api_error;
            let code = api.code.as_deref().unwrap_or_default();
            of_status(answer.status_code.as_u16(), code, &api.message)
        }
        OpenAIError::Reqwest(error) if error.is_timeout() => ModelError::Slow,
        OpenAIError::Reqwest(_) | OpenAIError::StreamError(_) => ModelError::Away,
        OpenAIError::JSONDeserialize(_, content) => of_content(content),
        _ => ModelError::Nonsense,
    }
}

/// Whether the answer was longer than the size limit.
fn is_too_long(error: &OpenAIError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.is::<LengthLimitError>() {
            return true;
        }
        cause = current.source();
    }
    false
}

/// Reads errors whose `code` is a number, or whose envelope differs from OpenAI's.
fn of_content(content: &str) -> ModelError {
    let Ok(body) = serde_json::from_str::<Value>(content) else {
        return ModelError::Nonsense;
    };
    let error = body.get("error").unwrap_or(&body);
    let message = error["message"]
        .as_str()
        .or(error.as_str())
        .unwrap_or_default();
    let status = error["code"].as_u64().or(error["status"].as_u64());
    match status.and_then(|status| u16::try_from(status).ok()) {
        Some(status) => of_status(status, "", message),
        None if speaks_of_missing_model(message) => ModelError::Missing,
        None => ModelError::Nonsense,
    }
}

fn of_status(status: u16, code: &str, message: &str) -> ModelError {
    match status {
        401 | 403 => ModelError::Key,
        413 => ModelError::TooLong,
        _ if code == "context_length_exceeded" || message.contains("context length") => {
            ModelError::TooLong
        }
        404 => ModelError::Missing,
        _ if code == "model_not_found" || speaks_of_missing_model(message) => ModelError::Missing,
        402 | 429 => ModelError::Busy,
        500.. => ModelError::Away,
        _ => ModelError::Nonsense,
    }
}

fn speaks_of_missing_model(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("model")
        && (message.contains("not found") || message.contains("does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_error() {
        let cases = [
            (
                401,
                "invalid_api_key",
                "Incorrect API key provided",
                ModelError::Key,
            ),
            (
                404,
                "model_not_found",
                "The model `x` does not exist",
                ModelError::Missing,
            ),
            (
                400,
                "context_length_exceeded",
                "too many",
                ModelError::TooLong,
            ),
            (
                400,
                "",
                "model 'x' not found, try pulling it",
                ModelError::Missing,
            ),
            (400, "", "bad request", ModelError::Nonsense),
            (429, "insufficient_quota", "", ModelError::Busy),
            (503, "", "loading model", ModelError::Away),
        ];
        for (status, code, message, expected) in cases {
            assert_eq!(
                of_status(status, code, message),
                expected,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn numeric_error_codes_are_read() {
        let body =
            r#"{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}"#;
        assert_eq!(of_content(body), ModelError::Key);
        assert_eq!(
            of_content(r#"{"error":"model 'x' not found"}"#),
            ModelError::Missing
        );
        assert_eq!(of_content("<html>"), ModelError::Nonsense);
    }
}
