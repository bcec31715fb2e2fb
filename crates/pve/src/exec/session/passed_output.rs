//! The part of a script's output that was passed on while it ran.

use crate::exec::parse::ScriptReport;
use crate::exec::{OutputSink, OutputStream};

/// Passes output on, each byte once, also after the connection was lost.
pub(crate) struct PassedOutput<'a> {
    sink: Option<&'a OutputSink>,
    /// Bytes of each stream, from its beginning.
    sent: [usize; 2],
    /// A chunk may be missing, so that the rest has to come from the report.
    gap: bool,
}

impl<'a> PassedOutput<'a> {
    pub(crate) fn new(sink: Option<&'a OutputSink>) -> Self {
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

    /// The next chunk of a stream.
    pub(super) fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        if self.gap {
            return;
        }
        self.sent[stream as usize] += bytes.len();
        if let Some(sink) = self.sink {
            sink.send(stream, bytes);
        }
    }

    /// Passes on the rest of the output from the report.
    pub(super) fn rest(&mut self, report: &ScriptReport) {
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
