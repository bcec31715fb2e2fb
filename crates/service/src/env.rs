//! Typed configuration from environment variables. Every getter records a problem and continues, so
//! that [`Env::finish`] reports all problems at once and the operator needs no restart for each.
//!
//! ```
//! use service::env::{Env, Secret};
//!
//! struct Config { port: u16, token: Secret }
//!
//! let mut env = Env::from_map([("PORT", "4021"), ("TOKEN", "s3cret")]);
//! let port = env.parse("PORT", 4021, "4021");
//! let token = env.required_secret("TOKEN", "a long random string");
//! let config = env.finish_with(|| Some(Config { port, token: token? })).expect("both are fine");
//! assert_eq!((config.port, config.token.expose()), (4021, "s3cret"));
//! ```

mod declared;
pub mod documents;
mod problem;
pub mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

pub use ::secret::Secret;
pub use problem::{Problem, Problems};

/// A snapshot of the variables and the problems found so far. A blank value counts as unset,
/// because compose files pass `NAME=` for variables that are not configured.
#[derive(Clone)]
pub struct Env {
    variables: BTreeMap<String, String>,
    problems: Vec<Problem>,
    schema: Option<&'static schema::Schema>,
}

impl Env {
    /// The process environment, completed from the nearest `.env` file in this or a parent
    /// directory. The process's own values take precedence. The process environment itself is not
    /// changed.
    pub fn load() -> Self {
        let mut variables = BTreeMap::new();
        let mut problems = Vec::new();
        match dotenvy::dotenv_iter() {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok((name, value)) => drop(variables.insert(name, value)),
                        Err(error) => problems.push(unreadable_dotenv(&error)),
                    }
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => problems.push(unreadable_dotenv(&error)),
        }
        // A variable that is not Unicode is none of ours.
        let process = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        variables.extend(process);
        Self {
            variables,
            problems,
            schema: None,
        }
    }

    /// An environment of these variables only.
    pub fn from_map<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            variables,
            problems: Vec::new(),
            schema: None,
        }
    }

    /// The same variables with some changed (`None` unsets one) and without problems, to examine
    /// the effect of a change.
    #[must_use]
    pub fn amended<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, Option<String>)>,
    ) -> Self {
        let mut amended = Self {
            problems: Vec::new(),
            ..self.clone()
        };
        for (name, value) in changes {
            match value {
                Some(value) => drop(amended.variables.insert(name.to_owned(), value)),
                None => drop(amended.variables.remove(name)),
            }
        }
        amended
    }

    /// The trimmed text, if the variable is set and not blank.
    pub fn optional_text(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The trimmed text, or the default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.optional_text(name)
            .unwrap_or_else(|| default.to_owned())
    }

    /// The trimmed text; `None` if it is missing, which is recorded.
    pub fn required_text(&mut self, name: &str, example: &str) -> Option<String> {
        let value = self.optional_text(name);
        self.note_if_missing(value, name, example)
    }

    /// The parsed value if the variable is set; `None` if it is invalid, which is recorded.
    pub fn optional<T>(&mut self, name: &str, example: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        match self.optional_text(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(name, format!("cannot be read ({error})"), example);
                None
            }
        }
    }

    /// The parsed value, or the default when unset. An invalid value is recorded and gives the
    /// default.
    pub fn parse<T>(&mut self, name: &str, default: T, example: &str) -> T
    where
        T: FromStr<Err: Display>,
    {
        self.optional(name, example).unwrap_or(default)
    }

    /// The parsed value; `None` if it is missing or invalid, which is recorded.
    pub fn required<T>(&mut self, name: &str, example: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = self.required_text(name, example);
        text.and_then(|_| self.optional(name, example))
    }

    /// A number within limits, both included, or the default when unset. An invalid value is
    /// recorded and gives the default.
    pub fn number_in<T>(&mut self, name: &str, default: T, limits: RangeInclusive<T>) -> T
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let example = default.to_string();
        match self.optional::<T>(name, &example) {
            None => default,
            Some(value) if limits.contains(&value) => value,
            Some(_) => {
                let (least, most) = limits.into_inner();
                self.problem(name, format!("is not from {least} to {most}"), example);
                default
            }
        }
    }

    /// `true`/`false`, also as `1`/`0`, `yes`/`no`, `on`/`off`, in any case.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        const WORDS: &[(&str, bool)] = &[
            ("true", true),
            ("false", false),
            ("1", true),
            ("0", false),
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
        ];
        self.choice(name, default, WORDS)
    }

    /// One of the given words, in any case, or the default when unset.
    pub fn choice<T: Clone>(&mut self, name: &str, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = self.optional_text(name) else {
            return default;
        };
        if let Some((_, value)) = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&text))
        {
            return value.clone();
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let example = known.first().copied().unwrap_or_default();
        self.problem(name, format!("is none of {}", known.join(", ")), example);
        default
    }

    /// The non-blank items of a comma-separated list; empty when unset.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name, "");
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A secret from `NAME`, or from the file that `NAME_FILE` names, as container platforms mount
    /// it; line breaks at the end of the file are removed. It is a problem if both are set, or if
    /// the file is blank or cannot be read.
    pub fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        self.read_secret(name).ok().flatten()
    }

    /// A secret as by [`Env::optional_secret`]; `None` if there is a problem, which is recorded.
    pub fn required_secret(&mut self, name: &str, example: &str) -> Option<Secret> {
        let secret = self.read_secret(name).ok()?;
        self.note_if_missing(secret, name, example)
    }

    /// Records a problem that only the caller can detect, such as two variables that contradict
    /// each other.
    pub fn problem(&mut self, name: &str, what: impl Into<String>, example: impl Into<String>) {
        self.problems.push(Problem {
            variable: name.to_owned(),
            what: what.into(),
            example: example.into(),
        });
    }

    /// # Errors
    ///
    /// All problems recorded so far.
    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problems::new(self.problems))
        }
    }

    /// Builds the configuration if there are no problems. Within `build`, `?` unwraps the results
    /// of the `required` getters: they are `None` only if a problem was recorded, and then `build`
    /// is not called.
    ///
    /// # Errors
    ///
    /// All problems recorded so far.
    pub fn finish_with<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Problems> {
        self.finish()?;
        build().ok_or_else(|| {
            Problems::new(vec![Problem {
                variable: "configuration".to_owned(),
                what: "lacks a value that no getter asked for".to_owned(),
                example: "see .example.env".to_owned(),
            }])
        })
    }

    /// `Err` means that a problem has been recorded.
    fn read_secret(&mut self, name: &str) -> Result<Option<Secret>, ()> {
        let file_variable = format!("{name}_FILE");
        let direct = self.optional_text(name);
        let Some(path) = self.optional_text(&file_variable) else {
            return Ok(direct.map(Secret::new));
        };
        let example = format!("/run/secrets/{}", name.to_ascii_lowercase());
        if direct.is_some() {
            let what = format!("and {name} are both set, and only one can count");
            self.problem(&file_variable, what, example);
            return Err(());
        }
        let what = match std::fs::read_to_string(path) {
            Ok(content) => match content.trim_end_matches(['\r', '\n']) {
                "" => "names a file that is empty".to_owned(),
                content => return Ok(Some(Secret::new(content))),
            },
            // The path is not quoted, because the secret itself is sometimes put here by mistake.
            Err(error) => format!("names a file that cannot be read ({})", error.kind()),
        };
        self.problem(&file_variable, what, example);
        Err(())
    }

    fn note_if_missing<T>(&mut self, value: Option<T>, name: &str, example: &str) -> Option<T> {
        if value.is_none() {
            self.problem(name, "is not set", example);
        }
        value
    }
}

/// `dotenvy`'s error quotes the faulty line, which may hold a secret, so only the position is kept.
fn unreadable_dotenv(error: &dotenvy::Error) -> Problem {
    let what = match error {
        dotenvy::Error::LineParse(_, column) => {
            format!("has a line that cannot be read (near column {column})")
        }
        dotenvy::Error::Io(error) => format!("cannot be read ({})", error.kind()),
        _ => "cannot be read".to_owned(),
    };
    Problem {
        variable: ".env".to_owned(),
        what,
        example: "a line such as NAME='value'".to_owned(),
    }
}
