//! The quick lease form: the stops of its sliders, and the errors of its fields.

use api_types::{Bounds, Catalog, LeaseRequest, Limits, error::FieldError};

/// The stops of the memory's slider, in MiB.
const MEMORY_STOPS: [u32; 12] = [
    64, 128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384,
];
/// The stops of the disk's slider, in GiB.
const DISK_STOPS: [u32; 12] = [1, 2, 4, 8, 16, 24, 32, 48, 64, 100, 150, 200];
/// The stops of the time's slider, in minutes.
const TIME_STOPS: [u32; 16] = [
    5, 15, 30, 60, 120, 240, 480, 720, 1_440, 2_880, 4_320, 7_200, 10_080, 20_160, 30_240, 43_200,
];

/// The trimmed text of a field; none if it is empty.
pub fn non_empty(field: &str) -> Option<String> {
    Some(field.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The error of a field, by its name on the wire.
pub fn field_error(limits: &Limits, request: &LeaseRequest, field: &str) -> Option<String> {
    let errors: Vec<FieldError> = limits.validate_lease(request).err()?;
    let found = errors.into_iter().find(|error| error.field == field);
    found.map(|error| error.message)
}

/// The error of the customer's own credential.
pub fn credential_error(limits: &Limits, request: &LeaseRequest) -> Option<String> {
    let errors = limits.validate_lease(request).err()?;
    let fields = ["password", "sshPublicKey"];
    let found = errors
        .into_iter()
        .find(|error| fields.contains(&error.field.as_str()));
    found.map(|error| error.message)
}

/// A slider's stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliderStops(Vec<u32>);

impl SliderStops {
    /// Every whole number within the limits.
    pub fn cores(limits: &Limits) -> Self {
        // A slider with more stops is too fine for a finger.
        let last = limits.cores.max.min(limits.cores.min.saturating_add(63));
        Self((limits.cores.min..=last).collect())
    }

    /// The stops for memory, in MiB.
    pub fn memory(limits: &Limits) -> Self {
        Self::within(limits.memory_mb, &MEMORY_STOPS)
    }

    /// The stops for the disk, in GiB.
    pub fn disk(limits: &Limits) -> Self {
        Self::within(limits.disk_gb, &DISK_STOPS)
    }

    /// The stops for the time, in minutes.
    pub fn time(limits: &Limits) -> Self {
        Self::within(limits.runtime_minutes, &TIME_STOPS)
    }

    /// The usual stops within the bounds, and the bounds themselves.
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

    /// The value at a position; the last value after the end.
    pub fn at(&self, position: usize) -> u32 {
        self.0.get(position).or(self.0.last()).copied().unwrap_or(0)
    }

    /// The position of the stop that is nearest to a value.
    pub fn nearest(&self, value: u32) -> usize {
        let distance = |position: &usize| self.0[*position].abs_diff(value);
        (0..self.0.len()).min_by_key(distance).unwrap_or(0)
    }
}

/// The template that is used if the form names none.
pub fn default_template(catalog: &Catalog) -> Option<&str> {
    let default = catalog.templates.iter().find(|template| template.default);
    default.map(|template| template.name.as_str())
}

#[cfg(test)]
mod tests {
    use api_types::Secret;

    use super::*;

    #[test]
    fn an_empty_field_has_no_text() {
        assert_eq!(non_empty("  web ").as_deref(), Some("web"));
        assert_eq!(non_empty("  "), None);
    }

    #[test]
    fn sliders_stop_at_round_values_within_the_limits() {
        let limits = Limits::default();
        assert_eq!(SliderStops::cores(&limits).last(), 7);
        let time = SliderStops::time(&limits);
        assert_eq!((time.at(0), time.at(3), time.at(99)), (5, 60, 43_200));
        assert_eq!(time.at(time.nearest(60)), 60);
        assert_eq!(time.at(time.nearest(70)), 60);

        let narrow = Limits {
            memory_mb: Bounds::new(300, 5_000),
            cores: Bounds::new(2, 2),
            ..Limits::default()
        };
        let memory = SliderStops::memory(&narrow);
        assert_eq!((memory.at(0), memory.at(memory.last())), (300, 5_000));
        assert_eq!(
            (
                SliderStops::cores(&narrow).last(),
                SliderStops::cores(&narrow).at(0)
            ),
            (0, 2)
        );
    }

    #[test]
    fn a_field_has_its_own_error() {
        let request = LeaseRequest {
            hostname: Some("-bad-".to_owned()),
            ..LeaseRequest::default()
        };
        let limits = Limits::default();
        let found = field_error(&limits, &request, "hostname").unwrap();
        assert!(found.contains("DNS label"), "{found}");
        assert_eq!(field_error(&limits, &request, "cores"), None);
    }

    #[test]
    fn a_credential_is_checked_before_anything_is_signed() {
        let limits = Limits::default();
        let with = |password: &str| LeaseRequest {
            password: Some(Secret::new(password)),
            ..LeaseRequest::default()
        };
        assert!(credential_error(&limits, &with("short")).is_some());
        assert_eq!(credential_error(&limits, &with("long enough")), None);
    }
}
