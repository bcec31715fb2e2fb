//! Addresses and hashes, shortened so that both ends can be compared.

/// `0x1234…cdef`: the first four and the last four digits. A shorter text stays as it is.
pub fn short_address(address: &str) -> String {
    shorten(address, 6, 4)
}

/// `0x12345678…90abcdef`: the first eight and the last eight digits, for transactions.
pub fn short_hash(hash: &str) -> String {
    shorten(hash, 10, 8)
}

fn shorten(text: &str, head: usize, tail: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= head + tail + 1 {
        return text.to_owned();
    }
    let start: String = characters[..head].iter().collect();
    let end: String = characters[characters.len() - tail..].iter().collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_an_address_stay_readable() {
        assert_eq!(
            short_address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
            "0xf39F…2266"
        );
        assert_eq!(short_address("0xf39F"), "0xf39F");
        assert_eq!(short_address(""), "");
        assert_eq!(
            short_hash(&format!("0x{}", "ab".repeat(32))),
            "0xabababab…abababab"
        );
    }
}
