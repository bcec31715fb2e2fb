//! The backoff between attempts to send a signed request, and when attempts end.

/// The backoff before each further attempt, in seconds. The last one repeats.
const BACKOFF: [u32; 6] = [1, 2, 4, 8, 15, 30];
/// So many seconds after its expiry a signature can no longer be settled. It is the margin of the
/// service.
const EXPIRY_MARGIN: u64 = 60;

/// The seconds to wait after an attempt (from 1). `retry_after` is what the service asks for; it
/// counts up to a minute.
pub fn backoff(attempt: u32, retry_after: Option<u32>) -> u32 {
    let last = BACKOFF.len() - 1;
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(last);
    BACKOFF[index.min(last)].max(retry_after.unwrap_or(0).min(60))
}

/// Whether a signature can still be settled. Both in Unix seconds.
pub fn worth_sending(valid_before: u64, now: u64) -> bool {
    now <= valid_before.saturating_add(EXPIRY_MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_heed_the_server() {
        let waits: Vec<u32> = (1..=8).map(|attempt| backoff(attempt, None)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 15, 30, 30, 30]);
        assert_eq!(backoff(1, Some(5)), 5);
        assert_eq!(backoff(1, Some(86_400)), 60);
        assert_eq!(backoff(u32::MAX, None), 30);
    }

    #[test]
    fn a_signature_is_sent_until_it_surely_cannot_be_settled() {
        assert!(worth_sending(1000, 1060));
        assert!(!worth_sending(1000, 1061));
        assert!(worth_sending(u64::MAX, u64::MAX));
    }
}
