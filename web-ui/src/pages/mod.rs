//! The pages.

mod chat;
mod leases;
mod receipts;
mod settings;

pub use chat::ChatPage;
pub use leases::LeasesPage;
pub use receipts::ReceiptsPage;
pub use settings::SettingsPage;
