//! Wallets: the button in the header, the dialog behind it, and signing in.

mod account;
mod burner;
mod button;
mod dialog;
mod sign_in;

pub use account::FaucetButton;
pub use button::{WalletButton, WalletDoor};
pub use dialog::{WALLET, WalletDialog};
pub use sign_in::SignInGate;
