//! Paths of files in a guest, as customers give them.

use crate::error::GuestError;

/// Linux allows no longer paths.
const MAX_PATH: usize = 4095;
/// Nor longer names of files, in bytes.
const MAX_NAME: usize = 255;

/// Makes a path plain: absolute, without `.`, `..` and empty parts. `..` is resolved by the text,
/// before symbolic links are.
///
/// # Errors
/// [`GuestError::InvalidPath`].
pub(crate) fn clean(path: &str) -> Result<String, GuestError> {
    if path.contains('\0') {
        return Err(GuestError::InvalidPath("it has a NUL byte"));
    }
    if path.len() > MAX_PATH {
        return Err(GuestError::InvalidPath("it is longer than 4095 bytes"));
    }
    let Some(path) = path.strip_prefix('/') else {
        return Err(GuestError::InvalidPath("it does not start with a slash"));
    };
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(GuestError::InvalidPath("it leaves the root"));
                }
            }
            part if part.len() > MAX_NAME => {
                return Err(GuestError::InvalidPath("a name is longer than 255 bytes"));
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The folder of a plain path and its name. The root has none.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = if folder.is_empty() { "/" } else { folder };
    (!name.is_empty()).then_some((folder, name))
}

/// A path beside a file, for what is to become it.
pub(crate) fn beside(path: &str, word: &str) -> Option<String> {
    let (folder, name) = split(path)?;
    let tag = format!(".i402-{}", &word[..8]);
    let mut length = name.len().min(MAX_NAME - tag.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    let folder = folder.trim_end_matches('/');
    Some(format!("{folder}/{}{tag}", &name[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_plain() {
        for (path, plain) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a/./b/", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a"),
            ("/a\nb/ü", "/a\nb/ü"),
            ("/...", "/..."),
        ] {
            assert_eq!(clean(path).as_deref(), Ok(plain), "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        let long = format!("/{}", "a".repeat(256));
        let longer = "/a".repeat(2048);
        for path in ["", "a", "./a", "/a\0b", "/..", "/a/../../b", &long, &longer] {
            let error = clean(path);
            assert!(matches!(error, Err(GuestError::InvalidPath(_))), "{path}");
        }
    }

    #[test]
    fn a_temporary_name_fits_whatever_the_name() {
        assert_eq!(beside("/", "0123456789"), None);
        assert_eq!(beside("/a", "0123456789").unwrap(), "/a.i402-01234567");
        let long = format!("/d/{}", "ü".repeat(127));
        let beside = beside(&long, "0123456789").unwrap();
        assert!(split(&beside).unwrap().1.len() <= 255, "{beside}");
        assert!(beside.starts_with("/d/ü"));
    }
}
