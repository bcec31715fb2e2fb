//! The brake on containers that were not paid for. A container runs before its money moves, so a
//! customer whose settlement is refused had it for free. Its wallet and its address then wait
//! before the next one, longer each time. All replicas together make at most `MAX_UNPAID_LEASES` at
//! a time, of which half are for wallets that have paid before.
//!
//! The counts are in the store, because replicas share them and a restart must not forget them.
//! They are written once for each unpaid container and read in the claim's transaction.

/// Seconds of the first pause; each further one is twice as long, up to an hour.
const FIRST_PAUSE: i64 = 30;
const LONGEST_PAUSE: i64 = 3600;
/// Seconds without another unpaid container after which the count starts again.
pub const FORGET_AFTER: i64 = 24 * 3600;
/// By what unpaid containers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A wallet.
    Payer,
    /// A network address, which customers may share.
    Client,
}

impl Subject {
    /// The name in the store and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Client => "client",
        }
    }

    /// Unpaid containers without a pause, since they may be honest mistakes.
    fn excused(self) -> u32 {
        match self {
            Self::Payer => 1,
            Self::Client => 3,
        }
    }

    /// Seconds to wait after this many unpaid containers.
    pub fn pause(self, unpaid: u32) -> i64 {
        let Some(doublings) = unpaid.checked_sub(self.excused() + 1) else {
            return 0;
        };
        let longest = LONGEST_PAUSE.ilog2();
        (FIRST_PAUSE << doublings.min(longest)).min(LONGEST_PAUSE)
    }
}

/// The number of unpaid containers up to which a wallet may get one. The last half is for wallets
/// that have paid before, so that new wallets cannot keep customers out.
pub fn most_unpaid(most: u32, has_paid: bool) -> u32 {
    if has_paid { most } else { most - most / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unpaid_container_after_the_excused_ones_doubles_the_pause() {
        let pauses =
            |subject: Subject| [0, 1, 2, 3, 4, 5, 9, 40, u32::MAX].map(|n| subject.pause(n));
        let payer = [0, 0, 30, 60, 120, 240, 3600, 3600, 3600];
        assert_eq!(pauses(Subject::Payer), payer);
        let client = [0, 0, 0, 0, 30, 60, 960, 3600, 3600];
        assert_eq!(pauses(Subject::Client), client);
    }

    #[test]
    fn half_of_the_limit_is_for_wallets_that_have_paid() {
        assert_eq!((most_unpaid(32, true), most_unpaid(32, false)), (32, 16));
        // With a limit of one, every wallet may have it.
        assert_eq!((most_unpaid(1, true), most_unpaid(1, false)), (1, 1));
        assert_eq!((most_unpaid(3, true), most_unpaid(3, false)), (3, 2));
    }
}
