//! What the pages know of a wallet.

use crate::text::wallet as text;

/// The id of the burner wallet.
pub const BURNER: &str = "burner";
/// The id of a wallet that does not announce itself.
pub const LEGACY: &str = "window.ethereum";

/// Where a wallet's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletKind {
    /// In an extension or an application of the customer's.
    Injected,
    /// In this browser's storage.
    Burner,
}

/// A wallet that can be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletInfo {
    /// Its reverse domain name, [`LEGACY`] or [`BURNER`].
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its picture, a `data:` URL.
    pub icon: Option<String>,
    /// Where its key is.
    pub kind: WalletKind,
}

impl WalletInfo {
    /// The wallet of this browser.
    pub fn burner() -> Self {
        Self {
            id: BURNER.to_owned(),
            name: text::BURNER_NAME.to_owned(),
            icon: None,
            kind: WalletKind::Burner,
        }
    }

    /// A wallet that does not announce itself.
    pub fn legacy() -> Self {
        Self {
            id: LEGACY.to_owned(),
            name: text::LEGACY_NAME.to_owned(),
            icon: None,
            kind: WalletKind::Injected,
        }
    }

    /// A wallet that announces itself. Its words are its own, so they are bounded, and its picture is only taken if it is one.
    pub fn announced(id: &str, name: &str, icon: &str) -> Option<Self> {
        let text = |text: &str, longest| text.trim().chars().take(longest).collect::<String>();
        let (id, name) = (text(id, 100), text(name, 60));
        if id.is_empty() || id == BURNER {
            return None;
        }
        let picture = icon.trim();
        Some(Self {
            name: if name.is_empty() { id.clone() } else { name },
            id,
            icon: picture
                .starts_with("data:image/")
                .then(|| picture.to_owned()),
            kind: WalletKind::Injected,
        })
    }
}

/// The account that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its address, with the checksum in its letters.
    pub address: String,
    /// The chain that its wallet is on; a burner is on every one.
    pub chain_id: Option<u64>,
    /// Its wallet.
    pub wallet: WalletInfo,
}

/// Reads a chain id as wallets give it: hexadecimal digits in a text, or a number.
pub fn chain_id(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Writes an address with its checksum; none if it is no address.
pub fn checksummed(address: &str) -> Option<String> {
    let address: alloy::primitives::Address = address.trim().parse().ok()?;
    Some(address.to_checksum(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_cannot_pretend_to_be_the_burner_or_bring_a_script() {
        assert_eq!(WalletInfo::announced("burner", "Burner wallet", ""), None);
        assert_eq!(WalletInfo::announced("  ", "x", ""), None);
        let wallet =
            WalletInfo::announced("org.example", "", "https://evil.example/x.png").unwrap();
        assert_eq!((wallet.name.as_str(), wallet.icon), ("org.example", None));
        let long = "n".repeat(1000);
        let wallet =
            WalletInfo::announced("org.example", &long, " data:image/png;base64,AA==").unwrap();
        assert_eq!(wallet.name.len(), 60);
        assert_eq!(wallet.icon.as_deref(), Some("data:image/png;base64,AA=="));
    }

    #[test]
    fn chain_ids_come_as_digits_of_both_kinds() {
        assert_eq!(chain_id("0x14a34"), Some(84532));
        assert_eq!(chain_id("84532"), Some(84532));
        assert_eq!(chain_id("base"), None);
    }

    #[test]
    fn addresses_are_shown_with_their_checksum() {
        assert_eq!(
            checksummed("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266").as_deref(),
            Some("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        );
        assert_eq!(checksummed("0x12"), None);
    }
}
