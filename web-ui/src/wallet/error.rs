//! Why a wallet did not do what it was asked.

use crate::text::wallet::problem;

/// Why a wallet did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The customer said no. That is an answer, not a fault.
    #[error("{}", problem::DECLINED)]
    Declined,
    /// No such wallet is here any more.
    #[error("{}", problem::GONE)]
    NoWallet,
    /// It is locked, or gave no account.
    #[error("{}", problem::LOCKED)]
    Locked,
    /// It shows an earlier request and waits for an answer to that.
    #[error("{}", problem::WAITING)]
    Waiting,
    /// Another account is selected than the one that began.
    #[error("{}", problem::WRONG_ACCOUNT)]
    WrongAccount,
    /// The wallet does not know the chain.
    #[error("{}", problem::CHAIN_UNKNOWN)]
    ChainUnknown,
    /// The burner wallet does not sign for real money.
    #[error("{}", problem::NOT_ALLOWED)]
    NotAllowed,
    /// The customer did not want to wait for its answer any longer.
    #[error("{}", problem::STOPPED)]
    Stopped,
    /// It did not answer in time.
    #[error("{}", problem::UNANSWERED)]
    Unanswered,
    /// Another connection was begun, or this one was left, before it answered.
    #[error("{}", problem::STOPPED)]
    Outdated,
    /// The browser keeps nothing for this page, so that a key made here would be lost with it.
    #[error("{}", problem::NOT_KEPT)]
    NotKept,
    /// A key that was given is none.
    #[error("{}", problem::BAD_KEY)]
    BadKey,
    /// Anything else, in the wallet's words.
    #[error("{}", problem::says(.0))]
    Failed(String),
}

/// The longest that a wallet's own words may be on the page.
const LONGEST: usize = 160;

impl WalletError {
    /// Reads a rejection (EIP-1193, EIP-1474, EIP-3326). Some wallets lose the code on the way and keep only words.
    pub fn from_rejection(code: Option<i64>, message: &str) -> Self {
        let words = message.to_ascii_lowercase();
        let declined = [
            "user rejected",
            "user denied",
            "user declined",
            "rejected the request",
        ];
        match code {
            Some(4001 | 5000) => Self::Declined,
            Some(4902) => Self::ChainUnknown,
            Some(4100) => Self::WrongAccount,
            Some(-32002) => Self::Waiting,
            _ if declined.iter().any(|no| words.contains(no)) => Self::Declined,
            _ if words.contains("unrecognized chain") => Self::ChainUnknown,
            _ => Self::Failed(message.chars().take(LONGEST).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_recognised_with_and_without_its_code() {
        use WalletError as E;
        let read = E::from_rejection;
        assert_eq!(read(Some(4001), "whatever"), E::Declined);
        assert_eq!(read(None, "User rejected the request."), E::Declined);
        assert_eq!(
            read(
                Some(-32603),
                "MetaMask Tx Signature: User denied message signature."
            ),
            E::Declined
        );
        assert_eq!(read(Some(4902), ""), E::ChainUnknown);
        assert_eq!(
            read(Some(-32603), "Unrecognized chain ID \"0x14a34\"."),
            E::ChainUnknown
        );
        assert_eq!(read(Some(-32002), "pending"), E::Waiting);
    }

    #[test]
    fn a_wallets_own_words_are_bounded() {
        let WalletError::Failed(words) = WalletError::from_rejection(Some(-1), &"x".repeat(9999))
        else {
            unreachable!()
        };
        assert_eq!(words.len(), LONGEST);
    }
}
