//! When a signed request is sent again, and when that stops making sense.

/// Seconds before each further attempt; the last stands for all that follow.
const PAUSES: [u32; 6] = [1, 2, 4, 8, 15, 30];
/// Seconds after the end of a signature's window after which it cannot be settled any more; the same margin as the server's.
const MARGIN: u64 = 60;

/// Seconds to wait after an attempt, from 1. What the server asks for counts, within reason.
pub fn pause(attempt: u32, server_asks: Option<u32>) -> u32 {
    let last = PAUSES.len() - 1;
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(last);
    PAUSES[index.min(last)].max(server_asks.unwrap_or(0).min(60))
}

/// Whether a signature can still be settled. Both in Unix seconds.
pub fn worth_sending(valid_before: u64, now: u64) -> bool {
    now <= valid_before.saturating_add(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_heed_the_server() {
        let pauses: Vec<u32> = (1..=8).map(|attempt| pause(attempt, None)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 30, 30, 30]);
        assert_eq!(pause(1, Some(5)), 5);
        assert_eq!(pause(1, Some(86_400)), 60);
        assert_eq!(pause(u32::MAX, None), 30);
    }

    #[test]
    fn a_signature_is_sent_until_it_surely_cannot_be_settled() {
        assert!(worth_sending(1000, 1060));
        assert!(!worth_sending(1000, 1061));
        assert!(worth_sending(u64::MAX, u64::MAX));
    }
}
