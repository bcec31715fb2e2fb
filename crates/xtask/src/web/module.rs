//! Removes from a WebAssembly module the sections that no browser reads.

use anyhow::{Context, Result, ensure};

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// Names for debuggers, and notes of one tool for another.
const CUSTOM: u8 = 0;

/// A module without its custom sections.
///
/// # Errors
/// It is not a WebAssembly module.
pub fn without_custom_sections(module: &[u8]) -> Result<Vec<u8>> {
    ensure!(module.starts_with(HEADER), "this is no WebAssembly module");
    let mut kept = HEADER.to_vec();
    let mut rest = &module[HEADER.len()..];
    while let Some((&id, after)) = rest.split_first() {
        let (size, length) = leb128(after).context("a section has no size")?;
        let whole = 1 + length + size;
        ensure!(whole <= rest.len(), "a section is longer than its module");
        if id != CUSTOM {
            kept.extend_from_slice(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    Ok(kept)
}

/// A number of at most 32 bits in LEB128, and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (position, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[&[u8]]) -> Vec<u8> {
        [HEADER, &sections.concat()].concat()
    }

    #[test]
    fn custom_sections_go_and_the_others_stay_as_they_are() {
        let types: &[u8] = &[1, 4, 1, 0x60, 0, 0];
        // The size is written with two bytes, as linkers do to have room.
        let name: &[u8] = &[0, 0x85, 0, 4, b'n', b'a', b'm', b'e'];
        let memory: &[u8] = &[5, 3, 1, 0, 1];
        let kept = without_custom_sections(&module(&[name, types, name, memory])).unwrap();
        assert_eq!(kept, module(&[types, memory]));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        assert!(without_custom_sections(b"<html>").is_err());
        assert!(without_custom_sections(&module(&[&[1, 4, 1]])).is_err());
        assert!(without_custom_sections(&module(&[&[1]])).is_err());
    }
}
