//! Proxmox's named formats, with the text that each gives for an invalid value.

use std::net::IpAddr;

/// `dns-name`: labels of letters, digits and inner hyphens; no underscore.
pub(crate) fn dns_name(text: &str) -> Result<(), String> {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    if text.split('.').all(label) {
        Ok(())
    } else {
        Err("value does not look like a valid DNS name".into())
    }
}

/// `dns-name-list`, as for a search domain.
pub(crate) fn dns_name_list(text: &str) -> Result<(), String> {
    list(text).try_for_each(dns_name)
}

/// `pve-node`.
pub(crate) fn node(text: &str) -> Result<(), String> {
    if dns_name(text).is_ok() && !text.contains('.') {
        Ok(())
    } else {
        Err("value does not look like a valid node name".into())
    }
}

/// `pve-storage-id`.
pub(crate) fn storage(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if bytes.len() >= 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && bytes.iter().all(inner)
    {
        Ok(())
    } else {
        Err(format!("storage ID '{text}' contains illegal characters"))
    }
}

/// `pve-poolid`: up to three levels.
pub(crate) fn pool(text: &str) -> Result<(), String> {
    let level = |level: &str| {
        !level.is_empty()
            && level
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if text.split('/').all(level) && text.split('/').count() <= 3 {
        Ok(())
    } else {
        Err(format!("value '{text}' does not look like a valid pool ID"))
    }
}

/// `pve-userid`: `name@realm`.
pub(crate) fn user(text: &str) -> Result<(), String> {
    let valid = text.rsplit_once('@').is_some_and(|(name, realm)| {
        !name.is_empty()
            && !name.contains([':', '/', '!'])
            && !name.contains(char::is_whitespace)
            && realm.len() >= 2
            && realm
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    });
    if valid {
        Ok(())
    } else {
        Err(format!(
            "value '{text}' does not look like a valid user name"
        ))
    }
}

/// `address-list`, as for name servers. `host` takes over the node's own.
pub(crate) fn address_list(text: &str) -> Result<(), String> {
    if text == "host" {
        return Ok(());
    }
    list(text).try_for_each(|one| {
        one.parse::<IpAddr>()
            .map(|_| ())
            .map_err(|_| "value does not look like a valid IP address".into())
    })
}

/// `pve-tag-list`.
pub(crate) fn tags(text: &str) -> Result<(), String> {
    list(text).try_for_each(|tag| {
        let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = tag.bytes();
        let valid = bytes.next().is_some_and(first)
            && bytes.all(|byte| first(byte) || b"-+.".contains(&byte));
        if valid {
            Ok(())
        } else {
            Err("invalid characters in tag".into())
        }
    })
}

/// `pve-ct-timezone`; only the form is checked.
pub(crate) fn timezone(text: &str) -> Result<(), String> {
    let known = text == "host"
        || text == "UTC"
        || text.split_once('/').is_some_and(|(area, place)| {
            area.chars().all(|c| c.is_ascii_alphabetic())
                && !place.is_empty()
                && place
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-+/".contains(c))
        });
    if known {
        Ok(())
    } else {
        Err(format!("invalid time zone '{text}'"))
    }
}

/// Entries of a Proxmox list: separated by comma, semicolon or space.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\0', '\n', '\t'])
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_takes_inner_hyphens_and_no_underscore() {
        for good in ["a", "web-1", "a.b-c.D9"] {
            assert!(dns_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a..b", "a b", "ä"] {
            assert!(dns_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_have_the_forms_that_proxmox_gives_them() {
        assert!(storage("local-lvm").is_ok() && storage("l").is_err() && storage("a/").is_err());
        assert!(pool("a/b/c").is_ok() && pool("a/b/c/d").is_err() && pool("a b").is_err());
        assert!(user("a@pve").is_ok() && user("a").is_err() && user("a!t@pve").is_err());
        assert!(tags("a;b,c-1").is_ok() && tags("-a").is_err());
    }
}
