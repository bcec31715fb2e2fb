//! The quick lease form: its fields, the stops of its sliders, and the request that they make.

use api_types::{Bounds, Catalog, LeaseRequest, Limits, error::FieldError};

/// The fields as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseForm {
    /// Number of cores.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
    /// Disk in GiB.
    pub disk_gb: u32,
    /// Paid time in minutes.
    pub minutes: u32,
    /// The container's name; empty for a made one.
    pub hostname: String,
    /// The template; empty for the catalog's default.
    pub template: String,
}

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

impl Default for LeaseForm {
    fn default() -> Self {
        let request = LeaseRequest::default();
        Self {
            cores: request.cores,
            memory_mb: request.memory_mb,
            disk_gb: request.disk_gb,
            minutes: request.runtime_minutes,
            hostname: String::new(),
            template: String::new(),
        }
    }
}

impl LeaseForm {
    /// What is asked of the lease API.
    pub fn request(&self) -> LeaseRequest {
        let text = |field: &str| Some(field.trim().to_owned()).filter(|text| !text.is_empty());
        LeaseRequest {
            cores: self.cores,
            memory_mb: self.memory_mb,
            disk_gb: self.disk_gb,
            runtime_minutes: self.minutes,
            hostname: text(&self.hostname),
            template: text(&self.template),
            ..LeaseRequest::default()
        }
    }

    /// What is wrong with a field, by its name on the wire.
    pub fn problem(&self, limits: &Limits, field: &str) -> Option<String> {
        let problems: Vec<FieldError> = limits.validate_lease(&self.request()).err()?;
        let found = problems.into_iter().find(|problem| problem.field == field);
        found.map(|problem| problem.message)
    }
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
    fn the_form_begins_at_the_default_lease() {
        assert_eq!(LeaseForm::default().request(), LeaseRequest::default());
        let named = LeaseForm {
            hostname: "  web ".to_owned(),
            ..LeaseForm::default()
        };
        assert_eq!(named.request().hostname.as_deref(), Some("web"));
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
        let form = LeaseForm {
            hostname: "-bad-".to_owned(),
            ..LeaseForm::default()
        };
        let limits = Limits::default();
        assert!(
            form.problem(&limits, "hostname")
                .unwrap()
                .contains("DNS label")
        );
        assert_eq!(form.problem(&limits, "cores"), None);
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
