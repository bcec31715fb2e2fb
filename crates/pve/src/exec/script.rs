//! The text that is typed. A terminal echoes, so every sentinel is typed in two halves and joined
//! only by the `printf` that prints it: seeing one whole proves that it was printed. A leading
//! space keeps the lines out of shells' histories.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::exec::ExecRequest;

/// A line of base64. A terminal in line mode holds 4095 bytes before it drops any; shorter lines
/// make bash's line editor write more.
const MAX_LINE: usize = 960;
/// The most bytes of a script in one part: in base64, with the lines around it and the runner, one
/// message to the terminal proxy (64 KiB).
const PART: usize = 45 * 1024;

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

    /// Where a run keeps its files in the container, as a quoted word. Its name is random.
    fn folder(&self) -> String {
        format!("\"${{TMPDIR:-/tmp}}/.infra402-{}-{}\"", self.a, self.b)
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

/// Ends the session. A shell that waits after its report takes it for the report's receipt.
pub(crate) const LEAVE: &str = " exit\r";

/// Has a shell that waits after its report print it again.
pub(crate) const PRINT_AGAIN: &str = "\r";

/// Ends the session of a shell that was asked by [`inspect`], and forgets the run.
pub(crate) const FORGET_AND_LEAVE: &str = " rm -rf \"$t\"; exit\r";

/// Starts the script that was uploaded. So short that it arrives in one piece or not at all, and
/// without a quote that would swallow what is typed next.
pub(crate) const START: &str = " _402g\r";

/// How a script is to be run.
pub(crate) struct ScriptPlan<'a> {
    pub(crate) nonce: &'a Nonce,
    pub(crate) script: &'a [u8],
    pub(crate) timeout_seconds: u64,
    pub(crate) limit_bytes: usize,
    /// Print output while the script runs.
    pub(crate) live: bool,
}

/// Makes a place for the script, in which the mark `w` says that it has not begun, and says whether
/// the echo is off (`0`). Short enough to be typed while it is on.
pub(crate) fn setup(nonce: &Nonce, left: Option<&Nonce>) -> String {
    let (listens, failed) = (nonce.halves('L'), nonce.halves('X'));
    let folder = nonce.folder();
    let left = left.map_or(String::new(), |nonce| {
        format!(" rm -rf {};", nonce.folder())
    });
    format!(
        " stty -echo 2>/dev/null; q=$?;{left} t={folder}; \
         mkdir -m 700 \"$t\" && : >\"$t/c\" && : >\"$t/o\" && : >\"$t/e\" && : >\"$t/w\" && \
         base64 </dev/null && sha256sum </dev/null >/dev/null && \
         printf '\\n%s%s %d\\n' {listens} $q || \
         {{ printf '\\n%s%s\\n' {failed}; rm -rf \"$t\"; }}\r"
    )
}

/// Asks another shell about the script: takes the mark away, so that it
/// can no longer begin (`N`), or prints the report again, or says that there is none (`U`), and
/// whether the script had begun (`1`).
pub(crate) fn inspect(plan: &ScriptPlan<'_>) -> String {
    let nonce = plan.nonce;
    let (never, unknown) = (nonce.halves('N'), nonce.halves('U'));
    let (folder, report) = (nonce.folder(), plan.report());
    let lines = [
        format!(" t={folder}; o=$t/o e=$t/e; r=; for k in \"$t\"/r[0-9]*; do r=${{k##*/r}}; done"),
        format!(
            " if \\mv \"$t/w\" \"$t/n\" 2>/dev/null || [ -e \"$t/n\" ]; then printf '\\n%s%s\\n' {never}"
        ),
        format!(" elif [ -e \"$t/r$r\" ]; then {report}"),
        format!(" else [ -e \"$t/b\" ] && k=1 || k=0; printf '\\n%s%s %d\\n' {unknown} $k; fi"),
    ];
    lines.iter().map(|line| format!("{line}\r")).collect()
}

/// Writes one part of the script, checks it, and says which try that was and whether the part is
/// whole (`0`). The last one has the runner with it.
pub(crate) fn upload(
    nonce: &Nonce,
    index: usize,
    attempt: u32,
    part: &[u8],
    runner: Option<&str>,
) -> String {
    let file = format!("c{index}");
    let mut text = written(nonce, &file, part);
    let mut check = is_whole(&file, part);
    if let Some(runner) = runner {
        text.push_str(&written(nonce, "f", runner.as_bytes()));
        check = format!("{check} && {}", is_whole("f", runner.as_bytes()));
    }
    let whole = nonce.halves('W');
    text.push_str(&format!(
        " _402g() {{ . \"$t/f\"; }}; {check}; printf '\\n%s%s %d %d\\n' {whole} {attempt} $?\r"
    ));
    text
}

/// Writes a file of a run.
fn written(nonce: &Nonce, file: &str, bytes: &[u8]) -> String {
    let end = format!("{}H", nonce.a);
    let mut text = format!(" base64 -d >\"$t/{file}\" <<'{end}'\r");
    let encoded = STANDARD.encode(bytes);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(MAX_LINE));
        text.push_str(line);
        text.push('\r');
        rest = after;
    }
    format!("{text}{end}\r")
}

fn is_whole(file: &str, bytes: &[u8]) -> String {
    let sum = checksum(bytes);
    format!("[ \"$(sha256sum <\"$t/{file}\")\" = '{sum}' ]")
}

/// What `sha256sum` prints for its standard input.
fn checksum(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("{hex}  -")
}

impl<'a> ScriptPlan<'a> {
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

    /// Runs the script that was written, if all of it is there, and prints the report. The name of
    /// one file says how far it has come: `w` before it begins, `b` when it has, `r` with the exit
    /// status at the end. A rename needs no room on a full disk, and of two that take the same file
    /// away only one succeeds.
    ///
    /// The shell then waits: for the report's receipt, which ends it, or for a probe of this run or
    /// an empty line, which have the report printed again. It must not end before, since a terminal
    /// proxy may drop what was printed just before a shell's end. After three quiet seconds, or
    /// when anything else is typed, it ends by itself, since the next user should not find this
    /// shell, which shows no prompt; the report stays for ten minutes.
    pub(crate) fn runner(&self) -> String {
        let (sum, report) = (checksum(self.script), self.report());
        let (failed, own) = (self.nonce.halves('X'), &self.nonce.a);
        let run = if self.live {
            self.live_run()
        } else {
            let command = self.command();
            format!("({command}); r=$?; \\mv \"$t/b\" \"$t/r$r\" 2>/dev/null")
        };
        format!(
            "cat \"$t\"/c? >\"$t/c\"
if [ \"$(sha256sum <\"$t/c\")\" = '{sum}' ] && \\mv \"$t/w\" \"$t/b\"; then
exec 8<\"$t/o\" 9<\"$t/e\"
o=/proc/$$/fd/8 e=/proc/$$/fd/9
[ -r $o ] && [ -r $e ] || o=$t/o e=$t/e
{run}
_402p() {{ {report}; }}
else
_402p() {{ printf '\\n%s%s\\n' {failed}; }}
fi
_402p
for i in 1 2 3 4 5 6 7 8; do
stty -icanon min 0 time 30 2>/dev/null
k=$(dd count=1 2>/dev/null; echo .)
case $k in
' exit'*) rm -rf \"$t\"; exit ;;
*'{own}R'*|'
.') _402p ;;
*) break ;;
esac
done
(trap '' HUP; exec sh -c 'sleep 600; rm -rf \"$1\"' sh \"$t\") </dev/null >/dev/null 2>&1 &
exit
"
        )
    }

    /// Prints the report of a script that ended with the status `$r` and has its outputs in `$o`
    /// and `$e`, or that they are gone (`U`).
    fn report(&self) -> String {
        let (nonce, limit) = (self.nonce, self.limit_bytes);
        let (begin, middle, end) = (nonce.halves('B'), nonce.halves('M'), nonce.halves('E'));
        let gone = nonce.halves('U');
        format!(
            "if [ -r \"$o\" ] && [ -r \"$e\" ]; then \
             printf '\\n%s%s %d %d %d\\n' {begin} \"$r\" $(wc -c <\"$o\") $(wc -c <\"$e\"); \
             head -c {limit} \"$o\" | base64; printf '%s%s\\n' {middle}; \
             head -c {limit} \"$e\" | base64; printf '%s%s\\n' {end}; \
             else printf '\\n%s%s 1\\n' {gone}; fi"
        )
    }

    fn command(&self) -> String {
        let seconds = self.timeout_seconds;
        format!(
            "cd; exec timeout -k 2 {seconds} sh \"$t/c\" \
             </dev/null >\"$t/o\" 2>\"$t/e\" 8<&- 9<&-"
        )
    }

    /// The script runs in the background while the shell prints what has been added to its outputs.
    /// The process is asked as well, in case it was killed before it could say how the script
    /// ended. Job control is off, or bash would say `Done` in the middle of what is being printed.
    fn live_run(&self) -> String {
        let (start, finish) = (self.nonce.halves('S'), self.nonce.halves('F'));
        let (limit, command) = (self.limit_bytes, self.command());
        format!(
            "set +m; ( ({command}); k=$?; \\mv \"$t/b\" \"$t/r$k\" 2>/dev/null; exit $k ) & j=$!
_402s() {{ n=$(wc -c <\"$2\"); n=$((n)); [ $n -le {limit} ] || n={limit}; [ $n -le $3 ] || \
{{ printf '\\n%s%s %s\\n' {start} $1; tail -c +$(($3+1)) \"$2\" | head -c $((n-$3)) | base64; \
printf '%s%s\\n' {finish}; }}; }}
x=0; y=0
while [ -e \"$t/b\" ] && kill -0 $j 2>/dev/null; do
_402s o \"$o\" $x; x=$n; _402s e \"$e\" $y; y=$n; sleep 0.2 2>/dev/null || sleep 1
done
wait $j; r=$?
\\mv \"$t/b\" \"$t/r$r\" 2>/dev/null"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(live: bool, script: &[u8]) -> (Nonce, Vec<String>) {
        let nonce = Nonce::random();
        let plan = ScriptPlan {
            nonce: &nonce,
            script,
            timeout_seconds: 3600,
            limit_bytes: 1 << 24,
            live,
        };
        let left = Nonce::random();
        let mut pieces = vec![probe(&nonce), setup(&nonce, Some(&left)), inspect(&plan)];
        for (index, part) in plan.parts().enumerate() {
            pieces.push(upload(&nonce, index, 1, part, Some(&plan.runner())));
        }
        pieces.extend([START, LEAVE, FORGET_AND_LEAVE].map(str::to_owned));
        (nonce, pieces)
    }

    #[test]
    fn nothing_typed_contains_a_whole_sentinel() {
        for live in [false, true] {
            let (nonce, pieces) = typed(live, &[0xff; 5000]);
            let all = pieces.concat();
            for mark in ['R', 'L', 'W', 'X', 'B', 'M', 'E', 'S', 'F', 'N', 'U'] {
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
