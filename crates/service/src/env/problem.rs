//! Problems of a configuration, described for the operator.

use std::fmt;

/// A problem of one variable. Values are never quoted, since they may be secrets in the wrong
/// variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable's name, or `.env` if that file itself has a problem.
    pub variable: String,
    /// The problem, as a clause: `is not set`.
    pub what: String,
    /// A valid value.
    pub example: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variable,
            what,
            example,
        } = self;
        write!(
            formatter,
            "{variable} {what}; example: {variable}={example}"
        )
    }
}

/// All problems of a configuration, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems that [`super::Env`] has collected.
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// The problems in the order in which the variables were read.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(formatter, "the configuration has {count} {noun}:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
