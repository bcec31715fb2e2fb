//! A wallet and its account, as the pages show them.

use crate::text::wallet as text;

/// The id of the burner wallet.
pub const BURNER: &str = "burner";
/// The id of a wallet that does not announce itself.
pub const LEGACY: &str = "window.ethereum";

/// Where a wallet's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletKind {
    /// In an extension or application that puts a provider into the page.
    Injected,
    /// In this browser's storage.
    Burner,
}

/// A wallet that can be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletInfo {
    /// Its reverse domain name, [`LEGACY`], or [`BURNER`].
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its picture, a `data:` URL.
    pub icon: Option<String>,
    /// Where its key is.
    pub kind: WalletKind,
}

impl WalletInfo {
    /// The burner wallet.
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

    /// A wallet that announces itself. Its texts come from elsewhere, so they are cut, and its icon
    /// must be a `data:` image.
    pub fn from_announcement(id: &str, name: &str, icon: &str) -> Option<Self> {
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
    /// The chain that its wallet is on; none for the burner wallet, which is on every chain.
    pub chain_id: Option<u64>,
    /// Its wallet.
    pub wallet: WalletInfo,
}

/// Reads a chain id as wallets write it: hexadecimal with `0x`, or decimal.
pub fn chain_id(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The address with its checksum; none if the text is not an address.
pub fn checksummed(address: &str) -> Option<String> {
    let address: alloy::primitives::Address = address.trim().parse().ok()?;
    Some(address.to_checksum(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_cannot_pretend_to_be_the_burner_or_load_a_file() {
        assert_eq!(
            WalletInfo::from_announcement("burner", "Burner wallet", ""),
            None
        );
        assert_eq!(WalletInfo::from_announcement("  ", "x", ""), None);
        let wallet =
            WalletInfo::from_announcement("org.example", "", "https://evil.example/x.png").unwrap();
        assert_eq!((wallet.name.as_str(), wallet.icon), ("org.example", None));
        let long = "n".repeat(1000);
        let wallet =
            WalletInfo::from_announcement("org.example", &long, " data:image/png;base64,AA==")
                .unwrap();
        assert_eq!(wallet.name.len(), 60);
        assert_eq!(wallet.icon.as_deref(), Some("data:image/png;base64,AA=="));
    }

    #[test]
    fn chain_ids_are_hexadecimal_or_decimal() {
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
