//! Wallets: the dialog, the burner wallet, signing in.

/// The button without a wallet.
pub const CONNECT: &str = "Connect wallet";
/// The dialog.
pub const TITLE: &str = "Wallet";
/// What a wallet is for.
pub const HELP: &str = "Payments are signed in your wallet. The service never holds your key.";
/// The wallets that were found.
pub const FOUND: &str = "Wallets in this browser";
/// None were found.
pub const NONE_FOUND: &str =
    "No wallet extension was found. Install one, or try things out with a burner wallet.";
/// The account in use.
pub const ACCOUNT: &str = "Account";
/// Which wallet.
pub const VIA: &str = "Wallet";
/// Its balance.
pub const BALANCE: &str = "Balance";
/// Not known.
pub const BALANCE_UNKNOWN: &str = "not known";
/// Asks again.
pub const REFRESH: &str = "Refresh";
/// Disconnects.
pub const DISCONNECT: &str = "Disconnect";
/// Signs in.
pub const SIGN_IN: &str = "Sign in";
/// Waits for the wallet.
pub const SIGNING_IN: &str = "Confirm in your wallet…";
/// A wallet is asked to connect.
pub fn asking(name: &str) -> String {
    format!("Confirm in {name}…")
}
/// Asks the wallet once more.
pub const ASK_AGAIN: &str = "Ask again";
/// Ends the waiting for it.
pub const STOP_WAITING: &str = "Stop waiting";
/// Signs out.
pub const SIGN_OUT: &str = "Sign out";
/// Signed in.
pub const SIGNED_IN: &str = "Signed in: your leases and receipts are shown for free.";
/// Before signing in.
pub const SIGN_IN_TITLE: &str = "See your leases and receipts";
/// Before connecting.
pub const CONNECT_TITLE: &str = "Connect your wallet";
/// Why to sign in.
pub const SIGN_IN_HELP: &str = "Sign a short text to prove that the wallet is yours. It is free, moves no money, and lets you see your leases and receipts.";
/// Without a wallet.
pub const CONNECT_FIRST: &str =
    "Connect a wallet first; then a signature proves that the leases are yours.";

/// Asks the demo's faucet.
pub const FAUCET: &str = "Get 10 test USDC";
/// The money was added.
pub const FAUCET_DONE: &str = "Added 10 test USDC.";

/// The wallet in the browser.
pub mod burner {
    /// Its name.
    pub const TITLE: &str = "Burner wallet";
    /// What it is.
    pub const HELP: &str = "A key stored in this browser, to try things out with test money. Anyone who can use this browser can use it.";
    /// Not on this network.
    pub const NOT_ALLOWED: &str = "Not available here: this deployment takes real money, and a key in the browser is not safe enough for it.";
    /// Makes one.
    pub const CREATE: &str = "Create a burner wallet";
    /// Uses it.
    pub const USE: &str = "Use it";
    /// Its address.
    pub const ADDRESS: &str = "the burner wallet's address";
    /// More things to do with it.
    pub const MANAGE: &str = "Export, delete or replace";
    /// Shows the key.
    pub const EXPORT: &str = "Show private key";
    /// Hides the key.
    pub const HIDE: &str = "Hide private key";
    /// The key.
    pub const KEY: &str = "Private key";
    /// Brings a key.
    pub const IMPORT: &str = "Import a key";
    /// The field.
    pub const IMPORT_LABEL: &str = "Private key, 0x and 64 hexadecimal digits";
    /// Imports.
    pub const IMPORT_DO: &str = "Import";
    /// Asks before the key that is here is replaced.
    pub const REPLACE_ASK: &str = "Another key is here. Importing this one deletes it for good, and with it what its account holds. Show it and store it elsewhere first.";
    /// Yes.
    pub const REPLACE_DO: &str = "Replace the key";
    /// Deletes it.
    pub const DELETE: &str = "Delete this wallet";
    /// Asks first.
    pub const DELETE_ASK: &str = "Its key is gone for good, and with it what the account holds. Export it first if you want to keep it.";
    /// Yes.
    pub const DELETE_DO: &str = "Delete the key";
    /// Gone.
    pub const DELETED: &str = "The burner wallet is deleted.";
}

/// The burner wallet's name.
pub const BURNER_NAME: &str = "Burner wallet";
/// The name of a wallet that does not tell its own.
pub const LEGACY_NAME: &str = "Browser wallet";

/// Why a wallet did not do what it was asked.
pub mod problem {
    /// The customer declined.
    pub const DECLINED: &str = "You declined in your wallet. Nothing was signed.";
    /// The wallet is no longer in the browser.
    pub const GONE: &str = "This wallet was not found. Check that its extension is turned on.";
    /// It gave no account.
    pub const LOCKED: &str = "The wallet gave no account. Unlock it and try again.";
    /// It waits for an answer to something else.
    pub const EARLIER_REQUEST: &str =
        "The wallet is waiting for an answer to an earlier request. Open it.";
    /// Its account was changed in between.
    pub const WRONG_ACCOUNT: &str = "Another account is selected in the wallet now.";
    /// The network is not among its networks.
    pub const CHAIN_UNKNOWN: &str = "The wallet does not know this network.";
    /// The burner wallet and real money.
    pub const NOT_ALLOWED: &str = "The burner wallet is for test networks only.";
    /// The customer stopped waiting.
    pub const STOPPED: &str =
        "You stopped waiting for the wallet. What you confirm there now has no effect here.";
    /// It took too long.
    pub const UNANSWERED: &str =
        "The wallet did not answer. Open it, decline what it still asks, and try again.";
    /// The key would be lost.
    pub const NOT_STORED: &str = "This browser stores nothing for this page: its storage is blocked or full. The key would be lost with the page, and with it what its account holds, so no key was created or imported. Allow storage for this page, make room, or use another wallet.";
    /// The text is not a key.
    pub const BAD_KEY: &str = "This is not a private key: 64 hexadecimal digits are expected.";
    /// Anything else, in its own words.
    pub fn says(words: &str) -> String {
        format!("The wallet says: {words}")
    }
}
