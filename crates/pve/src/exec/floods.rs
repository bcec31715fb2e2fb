//! Sessions on a terminal that floods its reader.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::exec::script::ScriptPlan;
use crate::exec::session::{
    ByteSink, ByteSource, PassedOutput, RunLimits, ScriptSession, SessionFailure,
};
use crate::exec::{ExecError, ExecRequest};
use crate::terminal::TerminalError;

/// A terminal that always has more to show, until something stops it.
#[derive(Clone)]
struct Flood(Arc<Mutex<FloodState>>);

struct FloodState {
    piece: Bytes,
    shown: usize,
    interrupted: bool,
    /// What the buffers on the way still hold when an interrupt stops it, if one does.
    rest: Option<usize>,
    /// Printed for what was typed, and not yet read.
    answer: Option<String>,
}

impl Flood {
    fn new(piece: Vec<u8>, rest: Option<usize>) -> Self {
        let state = FloodState {
            piece: piece.into(),
            shown: 0,
            interrupted: false,
            rest,
            answer: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn shown(&self) -> usize {
        self.0.lock().unwrap().shown
    }
}

impl ByteSource for Flood {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        {
            let mut state = self.0.lock().unwrap();
            match state.rest {
                Some(0) if state.interrupted => {}
                Some(rest) if state.interrupted => {
                    let piece = state.piece.slice(..state.piece.len().min(rest));
                    state.rest = Some(rest - piece.len());
                    return Ok(Some(piece));
                }
                _ => {
                    state.shown += state.piece.len();
                    assert!(state.shown < 100 * MIB, "it is read for ever");
                    return Ok(Some(state.piece.clone()));
                }
            }
            if let Some(answer) = state.answer.take() {
                return Ok(Some(format!("\r\n{answer}\r\n").into()));
            }
        }
        std::future::pending().await
    }
}

impl ByteSink for Flood {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        let mut state = self.0.lock().unwrap();
        match String::from_utf8_lossy(bytes) {
            keys if keys == "\x03" => (state.interrupted, state.answer) = (true, None),
            line if line.contains("HISTFILE") => state.answer = Some(sentinel(&line)),
            line if line.contains("mkdir") => state.answer = Some(sentinel(&line) + " 0"),
            line if line.contains("base64 -d") => state.answer = Some(sentinel(&line) + " 1 0"),
            _ => {}
        }
        Ok(())
    }
}

/// The first sentinel that a line prints, joined.
fn sentinel(line: &str) -> String {
    let (_, halves) = line.split_once("\\n%s%s").unwrap();
    let mut quoted = halves.split('\'').skip(2).step_by(2);
    format!("{}{}", quoted.next().unwrap(), quoted.next().unwrap())
}

const MIB: usize = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn a_flooded_terminal_is_given_up_after_some_megabytes() {
    for piece in [
        vec![b'x'; 64 * 1024],
        vec![0; 64 * 1024],
        b"y\r\n".repeat(20_000),
    ] {
        for (force, most) in [(false, 5 * MIB), (true, 40 * MIB)] {
            let flood = Flood::new(piece.clone(), None);
            let found = ScriptSession::find(flood.clone(), flood.clone(), force).await;
            let Err(SessionFailure::Error(error)) = found else {
                panic!("it is not given up");
            };
            assert!(matches!(error, ExecError::Flooded), "{error}");
            assert!(!error.may_have_executed());
            assert!(flood.shown() <= most, "{} bytes read", flood.shown());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_interrupted_by_force() {
    for rest in [0, MIB, 6 * MIB] {
        let flood = Flood::new(vec![b'x'; 64 * 1024], Some(rest));
        let found = ScriptSession::find(flood.clone(), flood, true).await;
        assert!(found.is_ok(), "{rest} bytes in buffers: {:?}", found.err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_in_the_place_of_a_report_ends_the_command() {
    let flood = Flood::new(vec![0; 64 * 1024], Some(0));
    let mut session = ScriptSession::find(flood.clone(), flood.clone(), true)
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let mut request = ExecRequest::new("true");
    request.timeout = Duration::from_secs(3600);
    let nonce = session.nonce();
    let plan = ScriptPlan::new(&nonce, &request, false);
    session.upload(&plan, None).await.unwrap();
    {
        let mut state = flood.0.lock().unwrap();
        (state.rest, state.shown) = (None, 0);
    }
    let (limits, mut passed) = (RunLimits::from_now(&plan), PassedOutput::new(None));
    let error = session.run(&plan, &limits, &mut passed).await.unwrap_err();
    assert!(matches!(error, ExecError::Lost(_)), "{error}");
    assert!(flood.shown() <= MIB, "{} bytes read", flood.shown());
}
