//! Why the model's answer ended. A finish reason that is not a known complete one counts as
//! truncated: a truncated answer never becomes a tool call, since its missing part is unknown.

use crate::llm::ModelError;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// The model finished its answer.
    Whole,
    /// The answer was ended early.
    Broken(ModelError),
}

/// The finish reasons of complete answers in the servers in use, lower case.
const WHOLE: [&str; 10] = [
    "stop",
    "tool_calls",
    "tool_call",
    "function_call",
    "tool_use",
    "end_turn",
    "stop_sequence",
    "eos",
    "eos_token",
    "stop_token",
];

/// Reads a `finish_reason`; an empty one counts as absent.
pub(super) fn read(reason: &str) -> Option<Finish> {
    let reason = reason.trim().to_ascii_lowercase();
    if reason.is_empty() || reason == "null" {
        return None;
    }
    if WHOLE.contains(&reason.as_str()) {
        return Some(Finish::Whole);
    }
    let says = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
    Some(Finish::Broken(if says(&["length", "max_tokens"]) {
        ModelError::CutOff
    } else if says(&[
        "filter",
        "safety",
        "sensitive",
        "prohibited",
        "blocklist",
        "recitation",
    ]) {
        ModelError::Filtered
    } else if says(&["error", "abort", "cancel", "resource"]) {
        ModelError::Away
    } else {
        ModelError::Nonsense
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finish_reason_that_is_not_known_counts_as_truncated() {
        let cases = [
            ("stop", Some(Finish::Whole)),
            ("tool_calls", Some(Finish::Whole)),
            ("STOP", Some(Finish::Whole)),
            ("", None),
            ("length", Some(Finish::Broken(ModelError::CutOff))),
            ("model_length", Some(Finish::Broken(ModelError::CutOff))),
            ("MAX_TOKENS", Some(Finish::Broken(ModelError::CutOff))),
            ("content_filter", Some(Finish::Broken(ModelError::Filtered))),
            ("SAFETY", Some(Finish::Broken(ModelError::Filtered))),
            ("error", Some(Finish::Broken(ModelError::Away))),
            (
                "insufficient_system_resource",
                Some(Finish::Broken(ModelError::Away)),
            ),
            (
                "MALFORMED_FUNCTION_CALL",
                Some(Finish::Broken(ModelError::Nonsense)),
            ),
        ];
        for (reason, expected) in cases {
            assert_eq!(read(reason), expected, "{reason}");
        }
    }
}
