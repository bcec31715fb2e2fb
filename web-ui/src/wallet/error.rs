//! Why a wallet did not do what it was asked.

/// Why a wallet did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The customer said no. That is an answer, not a fault.
    #[error("You declined in your wallet. Nothing was signed.")]
    Declined,
    /// No such wallet is here any more.
    #[error("This wallet is not there. Is its extension on?")]
    NoWallet,
    /// It is locked, or gave no account.
    #[error("The wallet gave no account. Unlock it and try again.")]
    Locked,
    /// It shows an earlier request and waits for an answer to that.
    #[error("The wallet is waiting for an answer to an earlier request. Open it.")]
    Waiting,
    /// Another account is selected than the one that began.
    #[error("Another account is selected in the wallet now.")]
    WrongAccount,
    /// The wallet does not know the chain.
    #[error("The wallet does not know this network.")]
    ChainUnknown,
    /// The burner wallet does not sign for real money.
    #[error("The burner wallet is for test networks only.")]
    NotAllowed,
    /// A key that was given is none.
    #[error("This is no private key: 64 hexadecimal digits are expected.")]
    BadKey,
    /// Anything else, in the wallet's words.
    #[error("The wallet says: {0}")]
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
