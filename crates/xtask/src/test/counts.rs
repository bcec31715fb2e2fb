//! How many tests passed, failed and were skipped.

use std::fmt;
use std::ops::AddAssign;

/// The tests of one or more runners, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that were not run; each has a line with the reason.
    pub skipped: u32,
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Reads the line with which libtest closes a test binary.
pub fn parse_libtest_line(line: &str) -> Option<TestCounts> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let number = |unit: &str| {
        let before = rest.split(&format!(" {unit};")).next()?;
        before.rsplit([' ', ';']).next()?.parse().ok()
    };
    Some(TestCounts {
        passed: number("passed")?,
        failed: number("failed")?,
        skipped: number("ignored")?,
    })
}

/// Reads one line of the summary of Node's test runner: `ℹ pass 5`. A cancelled test is one that
/// reached its timeout, and has failed.
pub fn parse_node_line(line: &str) -> Option<TestCounts> {
    let (name, number) = line.trim().strip_prefix("ℹ ")?.rsplit_once(' ')?;
    let number = number.parse().ok()?;
    let mut counts = TestCounts::default();
    match name {
        "pass" => counts.passed = number,
        "fail" | "cancelled" => counts.failed = number,
        "skipped" | "todo" => counts.skipped = number,
        _ => return None,
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u32, failed: u32, skipped: u32) -> Option<TestCounts> {
        Some(TestCounts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn the_closing_line_of_a_test_binary_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; \
                    7 filtered out; finished in 0.01s";
        assert_eq!(parse_libtest_line(line), counts(12, 3, 1));
        assert_eq!(
            parse_libtest_line("test lease::tests::a_promise ... ok"),
            None
        );
    }

    #[test]
    fn the_summary_lines_of_node_are_counted_and_nothing_else() {
        assert_eq!(parse_node_line("ℹ pass 5"), counts(5, 0, 0));
        assert_eq!(parse_node_line("ℹ cancelled 1"), counts(0, 1, 0));
        assert_eq!(parse_node_line("ℹ skipped 2"), counts(0, 0, 2));
        assert_eq!(parse_node_line("ℹ duration_ms 112.5"), None);
        assert_eq!(parse_node_line("✔ one client pays (12ms)"), None);
    }
}
