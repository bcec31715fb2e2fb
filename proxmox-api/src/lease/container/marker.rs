//! The marker in each container's notes: which lease the container was made for, by which
//! installation, under which number and when. An administrator's clone or restored backup carries
//! the same notes under another number, so a marker counts only for the container whose number it
//! names.

use pve::Vmid;
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Value};

use crate::ids::LeaseId;
use crate::installation::Installation;

/// The longest notes that Proxmox keeps, in bytes.
const MAX_NOTES: usize = 8192;

/// What a marker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Id of the lease.
    pub lease: LeaseId,
    /// Id of the installation that made the container.
    pub instance: String,
    /// The container's number; earlier releases did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmid: Option<u32>,
    /// When the lease was asked for, Unix seconds; earlier releases did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    infra402: Marker,
}

impl Marker {
    /// The marker of a lease's container.
    pub fn new(installation: &Installation, lease_id: &LeaseId, vmid: Vmid, created: i64) -> Self {
        Self {
            lease: lease_id.clone(),
            instance: installation.id.clone(),
            vmid: Some(vmid.get()),
            created: Some(created),
        }
    }

    /// The text for the notes: one line of JSON.
    pub fn text(&self) -> String {
        let envelope = Envelope {
            infra402: self.clone(),
        };
        serde_json::to_string(&envelope).expect("a marker is texts and numbers")
    }

    /// Whether this marker is the one of `expected`, as this or the previous release wrote it.
    pub fn fits(&self, expected: &Self) -> bool {
        self.lease == expected.lease
            && self.instance == expected.instance
            && self.vmid.is_none_or(|vmid| Some(vmid) == expected.vmid)
            && self
                .created
                .is_none_or(|created| Some(created) == expected.created)
    }
}

/// Every marker in a container's notes, wherever an administrator has moved it.
pub fn read_all(notes: Option<&str>) -> Vec<Marker> {
    found(notes.unwrap_or_default())
        .map(|(_, _, marker)| marker)
        .collect()
}

/// The notes with `marker` in the place of the one that fits it, or in front where there is none;
/// everything else stays. `None` where Proxmox would not take notes of that length.
pub fn insert_into(notes: &str, marker: &Marker) -> Option<String> {
    let old = found(notes).find(|(_, _, old)| old.fits(marker));
    let text = match old {
        Some((start, end, _)) => format!("{}{}{}", &notes[..start], marker.text(), &notes[end..]),
        None => format!("{}\n{notes}", marker.text()),
    };
    (text.len() <= MAX_NOTES).then_some(text)
}

/// Start, end and content of each marker.
fn found(notes: &str) -> impl Iterator<Item = (usize, usize, Marker)> + '_ {
    notes.match_indices('{').filter_map(|(start, _)| {
        let rest = &notes[start..];
        // Most braces in people's notes begin something else; those are not parsed.
        if !rest[1..].trim_start().starts_with("\"infra402\"") {
            return None;
        }
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let envelope: Envelope = serde_json::from_value(value).ok()?;
        Some((start, start + values.byte_offset(), envelope.infra402))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(lease: &str, vmid: Option<u32>) -> Marker {
        Marker {
            lease: lease.into(),
            instance: "here".into(),
            vmid,
            created: vmid.map(|_| 1_000),
        }
    }

    #[test]
    fn a_marker_is_found_anywhere_in_the_notes() {
        let ours = marker("lease-1", Some(40_200));
        let long = "x {y} ".repeat(600);
        for notes in [
            ours.text(),
            format!("# backup on Sundays\n\n{}\n", ours.text()),
            format!("do not touch: {} (asked Ann)", ours.text()),
            format!("{long}{}{long}", ours.text()),
            "{ \"infra402\" : {\"lease\":\"lease-1\", \"instance\":\"here\",\"vmid\":40200,\"created\":1000}}".into(),
        ] {
            assert_eq!(read_all(Some(&notes)), vec![ours.clone()], "{notes}");
        }
        let two = format!("{}\n{}", marker("lease-2", None).text(), ours.text());
        assert_eq!(read_all(Some(&two)).len(), 2);
        for notes in [
            "",
            "{}",
            "{\"infra402\":1}",
            "{\"infra402\":{\"lease\":\"l",
            "{\"infra402\"",
            "{",
        ] {
            assert_eq!(read_all(Some(notes)), [], "{notes}");
        }
        assert_eq!(read_all(None), []);
    }

    #[test]
    fn a_marker_fits_its_own_number_and_time_only() {
        let expected = marker("lease-1", Some(40_200));
        assert!(expected.fits(&expected));
        assert!(
            marker("lease-1", None).fits(&expected),
            "of the release before"
        );
        assert!(!marker("lease-1", Some(40_201)).fits(&expected), "a clone");
        assert!(
            !marker("lease-2", Some(40_200)).fits(&expected),
            "a number used again"
        );
        for other in [
            Marker {
                instance: "elsewhere".into(),
                ..expected.clone()
            },
            Marker {
                created: Some(2_000),
                ..expected.clone()
            },
        ] {
            assert!(!other.fits(&expected));
        }
    }

    #[test]
    fn writing_keeps_what_the_administrator_wrote() {
        let new = marker("lease-1", Some(40_200));
        let old = marker("lease-1", None).text();
        let notes = format!("mind the dog\n{old}\nasked Ann {{sic}}");
        let written = insert_into(&notes, &new).unwrap();
        assert_eq!(
            written,
            format!("mind the dog\n{}\nasked Ann {{sic}}", new.text())
        );
        assert_eq!(insert_into(&written, &new).unwrap(), written);
        assert_eq!(
            insert_into("only this", &new).unwrap(),
            format!("{}\nonly this", new.text())
        );
        assert_eq!(insert_into(&"x".repeat(8192), &new), None);
    }
}
