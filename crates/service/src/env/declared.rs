//! Reads variables that a [`Schema`] declares: default and example come from the declaration.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::schema::{Schema, Variable};
use super::{Env, Secret};

impl Env {
    /// Restricts the environment to the variables of this schema; reading any other one is a bug.
    #[must_use]
    pub fn for_schema(self, schema: &'static Schema) -> Self {
        Self {
            schema: Some(schema),
            ..self
        }
    }

    /// Warnings about variables that are set but have no effect.
    pub fn notices(&self) -> Vec<String> {
        let gone = self.schema.iter().flat_map(|schema| schema.gone);
        gone.filter(|gone| self.optional_text(gone.name).is_some())
            .map(|gone| format!("{} has no effect: {}", gone.name, gone.instead))
            .collect()
    }

    fn check_declared(&self, variable: &Variable) {
        debug_assert!(
            self.schema.is_none_or(|schema| schema.has(variable)),
            "{} is not in the schema",
            variable.name
        );
    }

    /// The value, or the declared default. An invalid value is recorded.
    ///
    /// # Panics
    /// The declared default is invalid, which is a bug that every start shows.
    pub fn read<T>(&mut self, variable: &Variable) -> T
    where
        T: FromStr<Err: Display>,
    {
        self.find(variable)
            .or_else(|| variable.default_text().parse().ok())
            .unwrap_or_else(|| panic!("the default of {} cannot be read", variable.name))
    }

    /// A number within limits, both included, or the declared default. An invalid value is recorded
    /// and gives the default.
    ///
    /// # Panics
    /// As [`Env::read`].
    pub fn read_in<T>(&mut self, variable: &Variable, limits: RangeInclusive<T>) -> T
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let value: T = self.read(variable);
        if limits.contains(&value) {
            return value;
        }
        let (least, most) = limits.into_inner();
        self.reject(variable, format!("is not from {least} to {most}"));
        let default = variable.default_text().parse().ok();
        default.unwrap_or_else(|| panic!("the default of {} cannot be read", variable.name))
    }

    /// The trimmed text, or the declared default.
    pub fn read_text(&self, variable: &Variable) -> String {
        self.check_declared(variable);
        self.text(variable.name, variable.default_text())
    }

    /// `true` or `false` in one of the usual spellings, or the declared default.
    pub fn read_flag(&mut self, variable: &Variable) -> bool {
        self.check_declared(variable);
        self.flag(variable.name, variable.default_text() == "true")
    }

    /// The items of a comma-separated list, or of the declared default.
    pub fn read_list(&self, variable: &Variable) -> Vec<String> {
        let text = self.read_text(variable);
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The value, if the variable is set. An invalid value is recorded.
    pub fn find<T>(&mut self, variable: &Variable) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.check_declared(variable);
        self.optional(variable.name, variable.example)
    }

    /// The trimmed text, if the variable is set.
    pub fn find_text(&self, variable: &Variable) -> Option<String> {
        self.check_declared(variable);
        self.optional_text(variable.name)
    }

    /// The secret, if it is set directly or by its file.
    pub fn find_secret(&mut self, variable: &Variable) -> Option<Secret> {
        self.check_declared(variable);
        self.optional_secret(variable.name)
    }

    /// The value; `None` if there is a problem, which is recorded.
    pub fn need<T>(&mut self, variable: &Variable) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.check_declared(variable);
        self.required(variable.name, variable.example)
    }

    /// The trimmed text; `None` if there is a problem, which is recorded.
    pub fn need_text(&mut self, variable: &Variable) -> Option<String> {
        self.check_declared(variable);
        self.required_text(variable.name, variable.example)
    }

    /// The secret; `None` if there is a problem, which is recorded.
    pub fn need_secret(&mut self, variable: &Variable) -> Option<Secret> {
        self.check_declared(variable);
        self.required_secret(variable.name, variable.example)
    }

    /// Records a problem that only the caller can detect.
    pub fn reject(&mut self, variable: &Variable, what: impl Into<String>) {
        self.check_declared(variable);
        self.problem(variable.name, what, variable.example);
    }
}
