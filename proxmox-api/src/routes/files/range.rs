//! Which part of a file a request asks for (RFC 9110, section 14).

use std::ops::RangeInclusive;

use axum::http::{HeaderMap, header};
use http_range_header::{
    EndPosition, RangeUnsatisfiableError, StartPosition, SyntacticallyCorrectRange,
    parse_range_header,
};

/// What of a file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilePart {
    /// All of it.
    Whole,
    /// These bytes, the last one included.
    Bytes(RangeInclusive<u64>),
    /// None of the bytes exists.
    NotSatisfiable,
}

/// The part of a file of `size` bytes that the headers ask for. A range that cannot be read is
/// ignored, and so are several. There are no validators, so `If-Range` never holds.
pub(super) fn requested(headers: &HeaderMap, size: u64) -> FilePart {
    let Some(text) = headers.get(header::RANGE) else {
        return FilePart::Whole;
    };
    if headers.contains_key(header::IF_RANGE) {
        return FilePart::Whole;
    }
    match text.to_str().map(parse_range_header) {
        Ok(Ok(ranges)) => match ranges.ranges.as_slice() {
            [range] => part(*range, size),
            _ => FilePart::Whole,
        },
        Ok(Err(RangeUnsatisfiableError::ZeroSuffix)) => FilePart::NotSatisfiable,
        _ => FilePart::Whole,
    }
}

fn part(range: SyntacticallyCorrectRange, size: u64) -> FilePart {
    let first = match range.start {
        StartPosition::Index(first) => first,
        // More than there is means all of it, also where that is nothing.
        StartPosition::FromLast(length) if length >= size => return FilePart::Whole,
        StartPosition::FromLast(length) => size - length,
    };
    let last = match range.end {
        // The other way round it is no range.
        EndPosition::Index(last) if last < first => return FilePart::Whole,
        EndPosition::Index(last) => last.min(size.saturating_sub(1)),
        EndPosition::LastByte => size.saturating_sub(1),
    };
    if first >= size {
        return FilePart::NotSatisfiable;
    }
    FilePart::Bytes(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, size: u64) -> FilePart {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        requested(&headers, size)
    }

    #[test]
    fn a_range_is_cut_to_the_file_and_one_beyond_it_is_refused() {
        use FilePart::{Bytes, NotSatisfiable, Whole};
        for (range, size, part) in [
            ("bytes=0-0", 10, Bytes(0..=0)),
            ("bytes=2-4", 10, Bytes(2..=4)),
            ("bytes=2-", 10, Bytes(2..=9)),
            ("bytes=2-99", 10, Bytes(2..=9)),
            ("bytes=9-9", 10, Bytes(9..=9)),
            ("bytes=10-", 10, NotSatisfiable),
            ("bytes=10-20", 10, NotSatisfiable),
            ("bytes=-3", 10, Bytes(7..=9)),
            ("bytes=-10", 10, Whole),
            ("bytes=-99", 10, Whole),
            ("bytes=-0", 10, NotSatisfiable),
            ("bytes=0-", 0, NotSatisfiable),
            ("bytes=0-0", 0, NotSatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=4-2", 10, Whole),
            ("bytes=40-20", 10, Whole),
            ("bytes=0-1, 4-5", 10, Whole),
            ("bytes=-1-5", 10, Whole),
            ("bytes=x", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("bytes=0-18446744073709551615", 10, Bytes(0..=9)),
            ("bytes=0-18446744073709551616", 10, Whole),
        ] {
            assert_eq!(asked(range, size), part, "{range} of {size}");
        }
    }

    #[test]
    fn a_range_of_another_version_of_the_file_is_not_given() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-1".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"v1\"".parse().unwrap());
        assert_eq!(requested(&headers, 10), FilePart::Whole);
        assert_eq!(requested(&HeaderMap::new(), 10), FilePart::Whole);
    }
}
