//! What is typed. A terminal echoes, so every sentinel is typed in two halves and joined only by the `printf` that
//! prints it: seeing one whole proves that it was printed. A leading space keeps the lines out of shells' histories.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

/// The most bytes typed at once; a terminal in line mode holds 4095 before it drops any.
const MAX_PIECE: usize = 512;

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

impl Plan<'_> {
    /// Everything that is typed after the probe, in pieces that a terminal can take.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let (nonce, limit) = (self.nonce, self.limit_bytes);
        let end = format!("{}H", nonce.a);
        lines.push(format!(" t=$(mktemp -d) && base64 -d >\"$t/c\" <<'{end}'"));
        let encoded = STANDARD.encode(self.script);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(76));
            lines.push(line.to_owned());
            rest = after;
        }
        lines.push(end);
        // A script that was written in part must not be run.
        lines.push(" q=$?".to_owned());
        let failed = nonce.halves('X');
        lines.push(format!(
            " [ $q = 0 ] || {{ printf '\\n%s%s\\n' {failed}; rm -rf \"$t\"; exit; }}"
        ));
        if self.live {
            lines.extend(self.live_run());
        } else {
            lines.push(format!(" ({}); r=$?", self.command()));
        }
        let (begin, middle, end) = (nonce.halves('B'), nonce.halves('M'), nonce.halves('E'));
        lines.push(format!(
            " printf '\\n%s%s %d %d %d\\n' {begin} \"$r\" $(wc -c <\"$t/o\") $(wc -c <\"$t/e\"); \
             head -c {limit} \"$t/o\" | base64; printf '%s%s\\n' {middle}; \
             head -c {limit} \"$t/e\" | base64; printf '%s%s\\n' {end}; rm -rf \"$t\"; exit"
        ));
        pieces(&lines)
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

/// Joins whole lines into pieces.
fn pieces(lines: &[String]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for line in lines {
        match pieces.last_mut() {
            Some(piece) if piece.len() + line.len() < MAX_PIECE => {
                piece.push_str(line);
                piece.push('\r');
            }
            _ => pieces.push(format!("{line}\r")),
        }
    }
    pieces
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
        let mut pieces = vec![probe(&nonce)];
        pieces.extend(plan.pieces());
        (nonce, pieces)
    }

    #[test]
    fn nothing_typed_contains_a_whole_sentinel() {
        for live in [false, true] {
            let (nonce, pieces) = typed(live, &[0xff; 5000]);
            let all = pieces.concat();
            for mark in ['R', 'X', 'B', 'M', 'E', 'S', 'F'] {
                assert!(!all.contains(&nonce.joined(mark)), "{mark}");
            }
        }
    }

    #[test]
    fn every_piece_fits_a_terminal_and_ends_its_line() {
        for live in [false, true] {
            for piece in typed(
                live,
                b"echo hi; echo 'it''s' \"$x\"\n".repeat(700).as_slice(),
            )
            .1
            {
                assert!(piece.len() <= MAX_PIECE, "{}", piece.len());
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
