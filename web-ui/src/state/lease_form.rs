//! The quick lease form: the stops of its sliders, and what is wrong with what they ask for.

use api_types::{Bounds, Catalog, LeaseRequest, Limits, error::FieldError};

/// Where memory's slider stops, in MiB.
const MEMORY: [u32; 12] = [
    64, 128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384,
];
/// Where the disk's slider stops, in GiB.
const DISK: [u32; 12] = [1, 2, 4, 8, 16, 24, 32, 48, 64, 100, 150, 200];
/// Where the time's slider stops, in minutes.
const TIME: [u32; 16] = [
    5, 15, 30, 60, 120, 240, 480, 720, 1_440, 2_880, 4_320, 7_200, 10_080, 20_160, 30_240, 43_200,
];

/// A field's text as it is asked for; nothing where it is empty.
pub fn entered(field: &str) -> Option<String> {
    Some(field.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What is wrong with a field, by its name on the wire.
pub fn problem(limits: &Limits, request: &LeaseRequest, field: &str) -> Option<String> {
    let problems: Vec<FieldError> = limits.validate_lease(request).err()?;
    let found = problems.into_iter().find(|problem| problem.field == field);
    found.map(|problem| problem.message)
}

/// What is wrong with the credential that a customer gives, in the words of the limits.
pub fn credential_problem(limits: &Limits, request: &LeaseRequest) -> Option<String> {
    let problems = limits.validate_lease(request).err()?;
    let fields = ["password", "sshPublicKey"];
    let found = problems
        .into_iter()
        .find(|problem| fields.contains(&problem.field.as_str()));
    found.map(|problem| problem.message)
}

/// A slider's stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stops(Vec<u32>);

impl Stops {
    /// Every whole number within the limits.
    pub fn cores(limits: &Limits) -> Self {
        // A slider with more stops cannot be hit.
        let last = limits.cores.max.min(limits.cores.min.saturating_add(63));
        Self((limits.cores.min..=last).collect())
    }

    /// The memory's.
    pub fn memory(limits: &Limits) -> Self {
        Self::within(limits.memory_mb, &MEMORY)
    }

    /// The disk's.
    pub fn disk(limits: &Limits) -> Self {
        Self::within(limits.disk_gb, &DISK)
    }

    /// The time's.
    pub fn time(limits: &Limits) -> Self {
        Self::within(limits.runtime_minutes, &TIME)
    }

    /// The usual stops that are allowed, and the limit's own ends.
    fn within(bounds: Bounds, usual: &[u32]) -> Self {
        let mut stops: Vec<u32> = usual
            .iter()
            .copied()
            .filter(|stop| bounds.contains(*stop))
            .collect();
        if stops.first() != Some(&bounds.min)
            && usual.first().is_none_or(|first| bounds.min > *first)
        {
            stops.insert(0, bounds.min);
        }
        if stops.last() != Some(&bounds.max) {
            stops.push(bounds.max);
        }
        stops.dedup();
        Self(stops)
    }

    /// The last position.
    pub fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The value at a position; past the end it is the last one.
    pub fn at(&self, position: usize) -> u32 {
        self.0.get(position).or(self.0.last()).copied().unwrap_or(0)
    }

    /// The position that is nearest to a value.
    pub fn nearest(&self, value: u32) -> usize {
        let distance = |position: &usize| self.0[*position].abs_diff(value);
        (0..self.0.len()).min_by_key(distance).unwrap_or(0)
    }
}

/// The template that is used where the form names none.
pub fn default_template(catalog: &Catalog) -> Option<&str> {
    let default = catalog.templates.iter().find(|template| template.default);
    default.map(|template| template.name.as_str())
}

#[cfg(test)]
mod tests {
    use api_types::Secret;

    use super::*;

    #[test]
    fn a_field_without_a_text_asks_for_nothing() {
        assert_eq!(entered("  web ").as_deref(), Some("web"));
        assert_eq!(entered("  "), None);
    }

    #[test]
    fn sliders_stop_at_round_values_within_the_limits() {
        let limits = Limits::default();
        assert_eq!(Stops::cores(&limits).last(), 7);
        let time = Stops::time(&limits);
        assert_eq!((time.at(0), time.at(3), time.at(99)), (5, 60, 43_200));
        assert_eq!(time.at(time.nearest(60)), 60);
        assert_eq!(time.at(time.nearest(70)), 60);

        let narrow = Limits {
            memory_mb: Bounds::new(300, 5_000),
            cores: Bounds::new(2, 2),
            ..Limits::default()
        };
        let memory = Stops::memory(&narrow);
        assert_eq!((memory.at(0), memory.at(memory.last())), (300, 5_000));
        assert_eq!(
            (Stops::cores(&narrow).last(), Stops::cores(&narrow).at(0)),
            (0, 2)
        );
    }

    #[test]
    fn a_field_tells_its_own_problem() {
        let request = LeaseRequest {
            hostname: Some("-bad-".to_owned()),
            ..LeaseRequest::default()
        };
        let limits = Limits::default();
        let found = problem(&limits, &request, "hostname").unwrap();
        assert!(found.contains("DNS label"), "{found}");
        assert_eq!(problem(&limits, &request, "cores"), None);
    }

    #[test]
    fn a_credential_is_checked_before_anything_is_signed() {
        let limits = Limits::default();
        let with = |password: &str| LeaseRequest {
            password: Some(Secret::new(password)),
            ..LeaseRequest::default()
        };
        assert!(credential_problem(&limits, &with("short")).is_some());
        assert_eq!(credential_problem(&limits, &with("long enough")), None);
    }
}
