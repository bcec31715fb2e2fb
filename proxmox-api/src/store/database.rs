//! Which database the store is in.

use std::{fmt, path::PathBuf};

use super::Server;

/// A file, or a server that replicas share.
#[derive(Debug, Clone)]
pub enum Database {
    /// SQLite.
    File(PathBuf),
    /// PostgreSQL.
    Server(Box<Server>),
}

impl Database {
    /// Reads a path, or an address that begins with `postgres://` or `postgresql://`.
    ///
    /// # Errors
    /// What is wrong with an address, in words that do not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => {
                Server::parse(text).map(|server| Self::Server(Box::new(server)))
            }
            Some(_) => Err("is neither a path nor begins with postgres://".to_owned()),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// Whether other replicas may use it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => write!(f, "{server}"),
        }
    }
}
