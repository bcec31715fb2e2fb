//! Why a wallet did not do what it was asked.

use crate::text::wallet::problem;

/// Why a wallet did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The customer declined.
    #[error("{}", problem::DECLINED)]
    Declined,
    /// The wallet is no longer in this browser.
    #[error("{}", problem::GONE)]
    NoWallet,
    /// The wallet is locked, or gave no account.
    #[error("{}", problem::LOCKED)]
    Locked,
    /// The wallet shows an earlier request and waits for an answer to that.
    #[error("{}", problem::EARLIER_REQUEST)]
    EarlierRequest,
    /// Another account is selected than at the beginning.
    #[error("{}", problem::WRONG_ACCOUNT)]
    WrongAccount,
    /// The wallet does not know the chain.
    #[error("{}", problem::CHAIN_UNKNOWN)]
    ChainUnknown,
    /// The burner wallet does not sign on networks with real money.
    #[error("{}", problem::NOT_ALLOWED)]
    NotAllowed,
    /// The customer stopped waiting for the wallet.
    #[error("{}", problem::STOPPED)]
    Stopped,
    /// The wallet did not answer in time.
    #[error("{}", problem::UNANSWERED)]
    Unanswered,
    /// Another attempt to connect began before the wallet answered.
    #[error("{}", problem::STOPPED)]
    Outdated,
    /// The browser stores nothing for this page, so that a key would be lost with the page.
    #[error("{}", problem::NOT_STORED)]
    NotStored,
    /// The text is not a private key.
    #[error("{}", problem::BAD_KEY)]
    BadKey,
    /// Anything else, in the wallet's words.
    #[error("{}", problem::says(.0))]
    Failed(String),
}

/// The longest text of a wallet that is shown.
const LONGEST_MESSAGE: usize = 160;

impl WalletError {
    /// Reads a rejection (EIP-1193, EIP-1474, EIP-3326). Some wallets lose the code and give only a
    /// message.
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
            Some(-32002) => Self::EarlierRequest,
            _ if declined.iter().any(|phrase| words.contains(phrase)) => Self::Declined,
            _ if words.contains("unrecognized chain") => Self::ChainUnknown,
            _ => Self::Failed(message.chars().take(LONGEST_MESSAGE).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declining_is_recognised_with_and_without_its_code() {
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
        assert_eq!(read(Some(-32002), "pending"), E::EarlierRequest);
    }

    #[test]
    fn the_message_of_a_wallet_is_cut() {
        let WalletError::Failed(words) = WalletError::from_rejection(Some(-1), &"x".repeat(9999))
        else {
            unreachable!()
        };
        assert_eq!(words.len(), LONGEST_MESSAGE);
    }
}
