//! A figure as the measuring programs print it, `402 challenges = 21034.120 /s/core`, or the reason
//! why it was not measured.

/// A measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The value.
    pub value: f64,
    /// The unit.
    pub unit: String,
}

impl Figure {
    /// Reads a line; `None` for a line without a figure.
    pub fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(" = ")?;
        let (value, unit) = rest.split_once(' ')?;
        Some(Self {
            name: name.to_owned(),
            value: value.parse().ok().filter(|value: &f64| value.is_finite())?,
            unit: unit.to_owned(),
        })
    }
}

/// Reads a line with the reason why a figure was not measured: `NAME = skipped: REASON`.
pub fn read_skip(line: &str) -> Option<(&str, &str)> {
    line.split_once(" = skipped: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_no_figure() {
        let line = "PostgreSQL over SQLite = skipped: PostgreSQL is not installed";
        let skip = ("PostgreSQL over SQLite", "PostgreSQL is not installed");
        assert_eq!(read_skip(line), Some(skip));
        assert_eq!(Figure::read(line), None);
        assert_eq!(read_skip("402 challenges = 21034.120 /s/core"), None);
    }

    #[test]
    fn a_figure_is_read_and_other_lines_are_not() {
        let figure = Figure::read("402 challenges = 21034.120 /s/core").unwrap();
        assert_eq!(figure.name, "402 challenges");
        assert_eq!(figure.unit, "/s/core");
        assert!((figure.value - 21034.12).abs() < f64::EPSILON);
        for line in ["", "a = b c", "memory, idle = NaN MB", "listening", "x = 1"] {
            assert_eq!(Figure::read(line), None, "{line:?}");
        }
    }
}
