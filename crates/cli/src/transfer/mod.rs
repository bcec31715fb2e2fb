//! Copies of files between this host and a container: [`upload`] and [`download`], by the routes in
//! [`remote`]. A container is a stranger's as far as this host is concerned: the names that it
//! tells never lead out of the folder that is written to.

pub mod download;
pub mod remote;
pub mod upload;

use std::{path::PathBuf, str::FromStr};

use crate::failure::Failure;

/// Files that are on their way at the same time; the API takes 8 for a lease.
const AT_ONCE: usize = 4;
/// The size of the pieces that files are read and sent in.
const PIECE: usize = 256 * 1024;

/// Where something is copied from or to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A path here.
    Local(PathBuf),
    /// A path in a container.
    Container {
        /// The container as it was named.
        container: String,
        /// The absolute path.
        path: String,
    },
    /// Standard input or output.
    Standard,
}

impl Endpoint {
    /// Whether it is in a container.
    pub fn is_container(&self) -> bool {
        matches!(self, Self::Container { .. })
    }
}

impl FromStr for Endpoint {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        match text.split_once(':') {
            // A colon after a slash is part of a local name, as in ./a:b.
            Some((container, path)) if !container.is_empty() && !container.contains('/') => {
                if !path.starts_with('/') {
                    let message =
                        format!("the path in a container has to be absolute: {container}:/path");
                    return Err(Failure::usage(message)
                        .advise("a local name with a colon is written ./NAME"));
                }
                Ok(Self::Container {
                    container: container.to_owned(),
                    path: path.to_owned(),
                })
            }
            _ if text.is_empty() => Err(Failure::usage("a path is empty")),
            _ => Ok(Self::Local(text.into())),
        }
    }
}

/// What was copied.
#[derive(Debug, Default)]
pub struct Copied {
    /// Each file.
    pub files: Vec<CopiedFile>,
    /// What was not, and why.
    pub skipped: Vec<String>,
}

/// A file that was copied.
#[derive(Debug)]
pub struct CopiedFile {
    /// Its path in the container.
    pub remote: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 digest of its content.
    pub sha256: String,
}

impl Copied {
    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.size);
        // The service says the sizes of what it wrote.
        sizes.fold(0, u64::saturating_add)
    }
}

/// A path below another one in a container.
fn below(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// The last name of a path in a container; none for the root.
fn last_name(path: &str) -> Option<&str> {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|name| is_name(name))
}

/// Whether this is a name within a folder, and nothing that leads elsewhere.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_before_any_slash_names_a_container() {
        let container = |container: &str, path: &str| Endpoint::Container {
            container: container.to_owned(),
            path: path.to_owned(),
        };
        for (text, expected) in [
            ("box:/srv", container("box", "/srv")),
            ("box:/a:b", container("box", "/a:b")),
            ("./a:b", Endpoint::Local("./a:b".into())),
            ("/a:/b", Endpoint::Local("/a:/b".into())),
            (":/a", Endpoint::Local(":/a".into())),
            ("-", Endpoint::Standard),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap(), expected, "{text}");
        }
        for bad in ["box:srv", "box:", ""] {
            assert_eq!(
                bad.parse::<Endpoint>().unwrap_err().status.number(),
                2,
                "{bad}"
            );
        }
    }

    #[test]
    fn names_do_not_lead_elsewhere() {
        for bad in ["", ".", "..", "a/b", "/", "a\0"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("...") && is_name("a b") && is_name("-rf"));
        assert_eq!(
            (last_name("/srv/www/"), last_name("/"), last_name("/..")),
            (Some("www"), None, None)
        );
    }
}
