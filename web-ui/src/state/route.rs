//! The pages, by the part of the address behind the `#`: it needs no server that knows them, so that the interface
//! also works from any static host.

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Talking to the agent.
    Chat,
    /// The board of leases.
    Leases,
    /// What was paid.
    Receipts,
    /// Theme, budgets, wallet.
    Settings,
    /// An address that leads nowhere.
    Unknown,
}

/// What somebody goes to the board for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// To lease a container with the form.
    Form,
    /// To open the terminal of a lease, by its id.
    Terminal(String),
    /// To run a command in its container.
    Run(String),
    /// To renew it.
    Renew(String),
}

impl Errand {
    /// The lease that it is about.
    pub fn lease(&self) -> Option<&str> {
        match self {
            Self::Form => None,
            Self::Terminal(id) | Self::Run(id) | Self::Renew(id) => Some(id),
        }
    }
}

impl Route {
    /// Reads the address's part behind the `#`.
    pub fn read(hash: &str) -> Self {
        match hash.trim_start_matches('#').trim_matches('/') {
            "" | "chat" => Self::Chat,
            "leases" => Self::Leases,
            "receipts" => Self::Receipts,
            "settings" => Self::Settings,
            _ => Self::Unknown,
        }
    }

    /// The address of the page, for a link.
    pub const fn href(self) -> &'static str {
        match self {
            Self::Chat | Self::Unknown => "#/",
            Self::Leases => "#/leases",
            Self::Receipts => "#/receipts",
            Self::Settings => "#/settings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_own_link() {
        for page in [Route::Chat, Route::Leases, Route::Receipts, Route::Settings] {
            assert_eq!(Route::read(page.href()), page);
        }
        assert_eq!(Route::read(""), Route::Chat);
        assert_eq!(Route::read("#/leases/"), Route::Leases);
        assert_eq!(Route::read("#/nowhere"), Route::Unknown);
    }
}
