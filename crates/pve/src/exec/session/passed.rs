//! What was passed on of a script's output while it ran.

use crate::exec::parse::Report;
use crate::exec::{OutputSink, OutputStream};

/// Passes output on, each byte once, whatever happens to the connection.
pub(crate) struct Passed<'a> {
    sink: Option<&'a OutputSink>,
    /// Bytes of each stream, from its beginning.
    sent: [usize; 2],
    /// A piece may be missing, so that what is not yet passed on has to come from the report.
    gap: bool,
}

impl<'a> Passed<'a> {
    pub(crate) fn to(sink: Option<&'a OutputSink>) -> Self {
        Self {
            sink,
            sent: [0; 2],
            gap: false,
        }
    }

    /// Passes nothing more on before the report.
    pub(crate) fn wait_for_report(&mut self) {
        self.gap = true;
    }

    /// The next piece of a stream.
    pub(super) fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        if self.gap {
            return;
        }
        self.sent[stream as usize] += bytes.len();
        if let Some(sink) = self.sink {
            sink.send(stream, bytes);
        }
    }

    /// What the report has beyond what was passed on.
    pub(super) fn rest(&mut self, report: &Report) {
        self.gap = false;
        for (stream, all) in [
            (OutputStream::Stdout, &report.stdout),
            (OutputStream::Stderr, &report.stderr),
        ] {
            let rest = all.get(self.sent[stream as usize]..).unwrap_or_default();
            self.output(stream, rest);
        }
    }
}
