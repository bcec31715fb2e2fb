//! The address of a page: the part of the URL behind the `#`. It needs no server that knows the
//! pages, so that the interface also works from any static host. `pages` has the table of all
//! pages; the constants here are those that other modules link to.

/// The address of a page, by its slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(&'static str);

impl Route {
    /// The address `#/SLUG`, for the table of pages.
    pub const fn new(address: &'static str) -> Self {
        Self(address)
    }

    /// The chat, which is also the page of an address without a slug.
    pub const CHAT: Self = Self("#/");
    /// The board of leases.
    pub const LEASES: Self = Self("#/leases");
    /// The payments.
    pub const RECEIPTS: Self = Self("#/receipts");
    /// The settings.
    pub const SETTINGS: Self = Self("#/settings");

    /// Finds the route of the URL's part behind the `#` among those that are known; none if it
    /// leads nowhere.
    pub fn from_hash(hash: &str, known: impl IntoIterator<Item = Self>) -> Option<Self> {
        let slug = match slug(hash) {
            "chat" => "",
            slug => slug,
        };
        known.into_iter().find(|route| route.slug() == slug)
    }

    /// The address of the page, for a link.
    pub const fn href(self) -> &'static str {
        self.0
    }

    fn slug(self) -> &'static str {
        slug(self.0)
    }
}

fn slug(hash: &str) -> &str {
    hash.trim_start_matches('#').trim_matches('/')
}

/// An action on the board that was chosen on another page. It is carried out once the board shows
/// what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingAction {
    /// Lease a container with the form.
    OpenForm,
    /// Open the terminal of a lease, by its id.
    OpenTerminal(String),
    /// Run a command in the container of a lease.
    RunCommand(String),
    /// Renew a lease.
    Renew(String),
}

impl PendingAction {
    /// The lease that it is about.
    pub fn lease(&self) -> Option<&str> {
        match self {
            Self::OpenForm => None,
            Self::OpenTerminal(id) | Self::RunCommand(id) | Self::Renew(id) => Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_own_link() {
        let known = [Route::CHAT, Route::LEASES, Route::RECEIPTS, Route::SETTINGS];
        let read = |hash: &str| Route::from_hash(hash, known);
        for page in known {
            assert_eq!(read(page.href()), Some(page));
        }
        assert_eq!(read(""), Some(Route::CHAT));
        assert_eq!(read("#/chat"), Some(Route::CHAT));
        assert_eq!(read("#/leases/"), Some(Route::LEASES));
        assert_eq!(read("#/nowhere"), None);
    }
}
