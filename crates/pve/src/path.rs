//! Builds the path of a call, one percent-encoded segment at a time, so that no identifier can
//! leave its place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters, so that a UPID or a volume id stays one
/// segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path below `/api2/json`.
#[derive(Clone, Debug)]
pub(crate) struct ApiPath {
    text: String,
    valid: bool,
}

impl ApiPath {
    /// Starts with a fixed part such as `/nodes`.
    pub(crate) fn new(start: &'static str) -> Self {
        Self {
            text: start.to_owned(),
            valid: true,
        }
    }

    /// Appends one segment.
    pub(crate) fn seg(mut self, segment: impl AsRef<str>) -> Self {
        let segment = segment.as_ref();
        // URL parsers fold dot segments even when they are percent-encoded, so these cannot be sent
        // at all.
        self.valid &= !matches!(segment, "" | "." | "..");
        self.text.push('/');
        self.text.extend(utf8_percent_encode(segment, SEGMENT));
        self
    }

    /// `/nodes/{node}/lxc/{vmid}`, where most calls begin.
    pub(crate) fn lxc(node: &crate::NodeName, vmid: crate::Vmid) -> Self {
        Self::new("/nodes")
            .seg(node)
            .seg("lxc")
            .seg(vmid.to_string())
    }

    /// The path without its query, for requests and for logs.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// False if a segment could not be expressed in a URL.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        let path = ApiPath::new("/nodes").seg("a/b?c#d e%").seg("UPID:x:");
        assert_eq!(path.as_str(), "/nodes/a%2Fb%3Fc%23d%20e%25/UPID%3Ax%3A");
        assert!(path.is_valid());
        for bad in ["", ".", ".."] {
            assert!(!ApiPath::new("/nodes").seg(bad).is_valid());
        }
    }
}
