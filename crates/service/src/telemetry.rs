//! The log of a service: lines for people, or one JSON object per event for collectors.
//! `LOG_FORMAT` sets the format and `RUST_LOG` the filter.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::env::Env;
use crate::env::schema::{Group, Variable};

/// The log's environment variables, for every service.
pub static VARIABLES: Group = Group {
    title: "Log",
    variables: &[&LOG_FORMAT, &RUST_LOG],
};
static LOG_FORMAT: Variable = Variable::with_default(
    "LOG_FORMAT",
    "pretty",
    "pretty, for people, or json, for collectors.",
);
static RUST_LOG: Variable =
    Variable::with_default("RUST_LOG", "info", "What is logged, as filter directives.")
        .example("info,proxmox_api=debug");

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines for people, coloured on a terminal.
    #[default]
    Pretty,
    /// One JSON object per event, with the fields of the current span.
    Json,
}

/// The format and the filter of the log.
#[derive(Debug)]
pub struct Telemetry {
    format: LogFormat,
    filter: EnvFilter,
}

impl Telemetry {
    /// Reads `LOG_FORMAT` (`pretty` or `json`, default `pretty`) and `RUST_LOG` (filter directives,
    /// default `info`).
    pub fn from_env(env: &mut Env) -> Self {
        let words = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        let format = env.choice(LOG_FORMAT.name, LogFormat::default(), &words);
        let directives = env.read_text(&RUST_LOG);
        let filter = EnvFilter::try_new(directives).unwrap_or_else(|error| {
            let what = format!("is not a list of filter directives ({error})");
            env.reject(&RUST_LOG, what);
            EnvFilter::new(RUST_LOG.default_text())
        });
        Self { format, filter }
    }

    /// The same without a target whose lines may hold secrets, even if the filter includes it.
    #[must_use]
    pub fn without(mut self, target: &'static str) -> Self {
        let directive = format!("{target}=off");
        let directive = directive
            .parse()
            .expect("a target's name makes a directive");
        self.filter = self.filter.add_directive(directive);
        self
    }

    /// Makes this the log of the process, on standard error, so that a command's output stays
    /// usable in a pipe. The first call wins; later ones, as in tests, change nothing.
    pub fn install(self) {
        // An error means that a log is already installed.
        let _ = tracing::subscriber::set_global_default(self.subscriber(std::io::stderr));
    }

    /// The subscriber over any writer; [`Telemetry::install`] uses standard error.
    pub fn subscriber<W>(self, writer: W) -> Box<dyn Subscriber + Send + Sync>
    where
        W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
    {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let builder = tracing_subscriber::fmt()
            .with_env_filter(self.filter)
            // Internal errors go to standard error, which is the output that failed, and each would
            // panic again.
            .log_internal_errors(false)
            .with_writer(writer);
        match self.format {
            LogFormat::Pretty => Box::new(builder.with_ansi(colours).finish()),
            LogFormat::Json => Box::new(builder.json().with_span_list(false).finish()),
        }
    }
}

#[cfg(test)]
pub(crate) mod capture {
    //! A log that a test can read.

    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::MakeWriter;

    /// Collects all lines; clones share them.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// The events so far, parsed from their lines of JSON.
        pub(crate) fn events(&self) -> Vec<serde_json::Value> {
            let bytes = self.0.lock().unwrap();
            let lines = std::str::from_utf8(&bytes).unwrap().lines();
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Captured {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::capture::Captured;
    use super::*;

    #[test]
    fn json_lines_carry_the_fields_of_the_event_and_of_its_span() {
        let mut env = Env::from_map([("LOG_FORMAT", "json"), ("RUST_LOG", "info")]);
        let log = Captured::default();
        let subscriber = Telemetry::from_env(&mut env).subscriber(log.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _guard = tracing::info_span!("request", request.id = "r1").entered();
            tracing::info!(lease.id = 7, "lease active");
            tracing::debug!("below the filter");
        });

        let events = log.events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["fields"]["message"], "lease active");
        assert_eq!(events[0]["fields"]["lease.id"], 7);
        assert_eq!(events[0]["span"]["request.id"], "r1");
        assert_eq!(env.finish(), Ok(()));
    }

    #[test]
    fn a_silenced_target_is_not_logged() {
        let mut env = Env::from_map([("LOG_FORMAT", "json"), ("RUST_LOG", "trace")]);
        let log = Captured::default();
        let telemetry = Telemetry::from_env(&mut env).without("chatty");
        tracing::subscriber::with_default(telemetry.subscriber(log.clone()), || {
            tracing::error!(target: "chatty::client", "hunter2");
            tracing::info!("kept");
        });
        assert_eq!(log.events().len(), 1);
    }

    #[test]
    fn a_wrong_format_or_filter_is_reported_and_the_defaults_apply() {
        let mut env = Env::from_map([("LOG_FORMAT", "xml"), ("RUST_LOG", "info,a=b=c")]);
        let telemetry = Telemetry::from_env(&mut env);
        assert_eq!(telemetry.format, LogFormat::Pretty);
        assert_eq!(telemetry.filter.to_string(), "info");

        let problems = env.finish().unwrap_err();
        let names: Vec<_> = problems.as_slice().iter().map(|p| &p.variable).collect();
        assert_eq!(names, ["LOG_FORMAT", "RUST_LOG"]);
    }
}
