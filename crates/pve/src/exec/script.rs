//! What is typed. A terminal echoes, so every sentinel is typed in two halves and joined only by the `printf` that
//! prints it: seeing one whole proves that it was printed. A leading space keeps the lines out of shells' histories.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::exec::ExecRequest;

/// A line of base64. A terminal in line mode holds 4095 bytes before it drops any; shorter lines
/// make bash's line editor write more.
const MAX_LINE: usize = 960;
/// The most bytes of a script in one part: in base64 and with the lines around it, one message to
/// the terminal proxy (64 KiB).
const PART: usize = 46 * 1024;

/// The two halves of one run's sentinels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    pub(crate) a: String,
    pub(crate) b: String,
}

impl Nonce {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 8];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the system has randomness");
        let hex = |half: &[u8]| half.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            a: hex(&bytes[..4]),
            b: hex(&bytes[4..]),
        }
    }

    /// A sentinel as it is printed.
    pub(crate) fn joined(&self, mark: char) -> String {
        format!("{}{mark}{}", self.a, self.b)
    }

    /// A sentinel as two quoted words.
    fn halves(&self, mark: char) -> String {
        format!("'{}{mark}' '{}'", self.a, self.b)
    }
}

/// Asks whether a shell listens, and makes it quiet if so.
pub(crate) fn probe(nonce: &Nonce) -> String {
    let ready = nonce.halves('R');
    format!(" unset HISTFILE; stty -echo 2>/dev/null; PS1= PS2=; printf '\\n%s%s\\n' {ready}\r")
}

/// Ends what was suspended, so that the shell can exit.
pub(crate) const KILL_JOBS: &str = " kill -9 %1 %2 %3 %4 2>/dev/null\r";

/// Ends the session, when there is nothing to be run after all.
pub(crate) const LEAVE: &str = " exit\r";

/// How a script is to be run.
pub(crate) struct Plan<'a> {
    pub(crate) nonce: &'a Nonce,
    pub(crate) script: &'a [u8],
    pub(crate) timeout_seconds: u64,
    pub(crate) limit_bytes: usize,
    /// Print output while the script runs.
    pub(crate) live: bool,
}

/// Makes a place for the script, and says whether the echo is off (`0`). Short enough to be typed
/// while it is on.
pub(crate) fn setup(nonce: &Nonce) -> String {
    let (listens, failed) = (nonce.halves('L'), nonce.halves('X'));
    format!(
        " stty -echo 2>/dev/null; q=$?; t=$(mktemp -d) && : >\"$t/c\" && base64 </dev/null && \
         sha256sum </dev/null >/dev/null && printf '\\n%s%s %d\\n' {listens} $q || \
         {{ printf '\\n%s%s\\n' {failed}; rm -rf \"$t\"; }}\r"
    )
}

/// Writes one part of the script, checks it, and says which try that was and whether the part is
/// whole (`0`).
pub(crate) fn upload(nonce: &Nonce, index: usize, attempt: u32, part: &[u8]) -> String {
    let end = format!("{}H", nonce.a);
    let mut text = format!(" base64 -d >\"$t/c{index}\" <<'{end}'\r");
    let encoded = STANDARD.encode(part);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(MAX_LINE));
        text.push_str(line);
        text.push('\r');
        rest = after;
    }
    let (whole, sum) = (nonce.halves('W'), checksum(part));
    text.push_str(&format!(
        "{end}\r [ \"$(sha256sum <\"$t/c{index}\")\" = '{sum}' ]; \
         printf '\\n%s%s %d %d\\n' {whole} {attempt} $?\r"
    ));
    text
}

/// What `sha256sum` prints for its standard input.
fn checksum(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("{hex}  -")
}

impl<'a> Plan<'a> {
    pub(crate) fn new(nonce: &'a Nonce, request: &'a ExecRequest, live: bool) -> Self {
        Self {
            nonce,
            script: &request.script,
            timeout_seconds: request.timeout.as_millis().div_ceil(1000).max(1) as u64,
            limit_bytes: request.limit_bytes,
            live,
        }
    }

    /// The script in parts, each of which is typed as one message.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        // An empty script has one part as well.
        let last = self.script.is_empty().then_some(&[][..]);
        self.script.chunks(PART).chain(last)
    }

    /// Runs the script that was written, if all of it is there, and prints the report. The shell
    /// ends when something is typed, or else three seconds later: a terminal proxy may drop what
    /// was printed just before a shell's end, and nobody should find this shell, which is mute.
    pub(crate) fn run(&self) -> String {
        let (nonce, limit) = (self.nonce, self.limit_bytes);
        let sum = checksum(self.script);
        // One compound command, so that nothing that is typed waits while the script runs.
        let mut lines = vec![format!(
            " cat \"$t\"/c? >\"$t/c\"; if [ \"$(sha256sum <\"$t/c\")\" = '{sum}' ]; then"
        )];
        if self.live {
            lines.extend(self.live_run());
        } else {
            lines.push(format!(" ({}); r=$?", self.command()));
        }
        let (begin, middle, end) = (nonce.halves('B'), nonce.halves('M'), nonce.halves('E'));
        lines.push(format!(
            " printf '\\n%s%s %d %d %d\\n' {begin} \"$r\" $(wc -c <\"$t/o\") $(wc -c <\"$t/e\"); \
             head -c {limit} \"$t/o\" | base64; printf '%s%s\\n' {middle}; \
             head -c {limit} \"$t/e\" | base64; rm -rf \"$t\"; printf '%s%s\\n' {end}"
        ));
        let failed = nonce.halves('X');
        lines.push(format!(
            " else rm -rf \"$t\"; printf '\\n%s%s\\n' {failed}; fi; \
             stty -icanon min 0 time 30 2>/dev/null; head -c 1 >/dev/null 2>&1; exit"
        ));
        lines.iter().map(|line| format!("{line}\r")).collect()
    }

    fn command(&self) -> String {
        let seconds = self.timeout_seconds;
        format!("cd; exec timeout -k 2 {seconds} sh \"$t/c\" </dev/null >\"$t/o\" 2>\"$t/e\"")
    }

    /// The script runs in the background while the shell prints what has been added to its outputs. Its end is a file
    /// with the exit status; the process is asked as well, in case it was killed before it could write that. Job control
    /// is off, or bash would say `Done` in the middle of what is being printed.
    fn live_run(&self) -> [String; 4] {
        let (start, finish) = (self.nonce.halves('S'), self.nonce.halves('F'));
        let limit = self.limit_bytes;
        [
            format!(" set +m; : >\"$t/o\"; : >\"$t/e\"; ( ({}); echo $? >\"$t/r\") & p=$!", self.command()),
            format!(
                " s() {{ n=$(wc -c <\"$t/$1\"); n=$((n)); [ $n -le {limit} ] || n={limit}; [ $n -le $2 ] || \
                 {{ printf '\\n%s%s %s\\n' {start} $1; tail -c +$(($2+1)) \"$t/$1\" | head -c $((n-$2)) | base64; \
                 printf '%s%s\\n' {finish}; }}; }}"
            ),
            " x=0; y=0; while [ ! -s \"$t/r\" ] && kill -0 $p 2>/dev/null; do s o $x; x=$n; s e $y; y=$n; \
             sleep 0.2 2>/dev/null || sleep 1; done"
                .to_owned(),
            " wait $p; r=$(cat \"$t/r\" 2>/dev/null); r=${r:-137}".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(live: bool, script: &[u8]) -> (Nonce, Vec<String>) {
        let nonce = Nonce::random();
        let plan = Plan {
            nonce: &nonce,
            script,
            timeout_seconds: 3600,
            limit_bytes: 1 << 24,
            live,
        };
        let mut pieces = vec![probe(&nonce), setup(&nonce)];
        for (index, part) in plan.parts().enumerate() {
            pieces.push(upload(&nonce, index, 1, part));
        }
        pieces.push(plan.run());
        (nonce, pieces)
    }

    #[test]
    fn nothing_typed_contains_a_whole_sentinel() {
        for live in [false, true] {
            let (nonce, pieces) = typed(live, &[0xff; 5000]);
            let all = pieces.concat();
            for mark in ['R', 'L', 'W', 'X', 'B', 'M', 'E', 'S', 'F'] {
                assert!(!all.contains(&nonce.joined(mark)), "{mark}");
            }
        }
    }

    #[test]
    fn every_piece_fits_a_terminal_and_ends_its_line() {
        for live in [false, true] {
            for piece in typed(
                live,
                b"echo hi; echo 'it''s' \"$x\"\n".repeat(5000).as_slice(),
            )
            .1
            {
                assert!(piece.len() <= 64 * 1024, "{}", piece.len());
                assert!(piece.split('\r').all(|line| line.len() < 1024));
                assert!(piece.ends_with('\r'));
                assert!(!piece.contains('\n'));
            }
        }
    }

    #[test]
    fn a_nonce_is_not_used_twice() {
        assert_ne!(Nonce::random(), Nonce::random());
        assert_eq!(Nonce::random().joined('R').len(), 17);
    }
}
