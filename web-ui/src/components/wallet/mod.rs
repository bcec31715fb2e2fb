//! Wallets: the button in the header, the dialog behind it, and signing in.

mod account;
mod burner;
mod button;
pub(crate) mod dialog;
mod sign_in;

pub use account::FaucetButton;
pub use button::{WalletButton, WalletOverlay};
pub use dialog::WalletDialog;
pub use sign_in::SignInGate;
