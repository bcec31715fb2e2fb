//! The shell code that keeps background commands in a container.
//!
//! `/var/lib/infra402/commands/ID` has `script`, `input`, `head` (the beginning of the command
//! line), `begun`, `owner` (which request made the folder), `keeper` (process id and start time of
//! the process that waits for the command), `group` (the command's process group), `stdout`,
//! `stderr`, and at the end `ended` and `status`; until then `reserve`, which keeps room for them on
//! a disk that the command fills.

use api_types::CommandSignal;

use super::super::{command::GuestCommand, shell::quoted};

/// The commands' folder in the container.
pub(super) const FOLDER: &str = "/var/lib/infra402/commands";
/// Commands that are kept in a container; the oldest that have ended are removed first.
const MOST_COMMANDS: usize = 100;
/// How much of a command line is shown, in bytes.
const HEAD_BYTES: usize = 200;
/// The exit status of [`signal`] for a command that has no process group.
pub(super) const NO_GROUP: i32 = 75;

/// Makes the command's folder under another name, with all that the command needs, renames it, and
/// starts the command's keeper. Of several requests for one id only that one starts it whose folder
/// got the name, which the folder's `owner` tells: `mv` puts the folder of a later one into the
/// folder that is there already. A request whose connection is lost reads the end of its input like
/// any other, so what came is counted.
///
/// `setsid` forks where its caller leads a process group, which it does at the second one at the
/// latest, and the request ends at once. A command that is started by `&` would ignore SIGINT.
const BEGIN: &str = r#"umask 077
command -v setsid >/dev/null || exit 73
mkdir -p "$folder" && cd "$folder" || exit 73
if [ -e "$id/begun" ]; then exit 0; fi
for old in $(ls -1t | tail -n "+$most"); do
    if [ -e "$old/status" ]; then rm -rf "./$old"; fi
done
find . -maxdepth 1 -name '.new-*' -mmin +60 -exec rm -rf {} + 2>/dev/null
new=.new-$id-$$
trap 'rm -rf "$folder/$new"' EXIT
trap 'exit 73' HUP INT TERM
rm -rf "./$new"
mkdir "$new" && cd "$new" || exit 73
size() { echo "$(($(wc -c <"$1")))"; }
# BusyBox's `head` takes more from a pipe than it passes on.
if ! { cat >input.new && head -c "$script_bytes" <input.new >script &&
    tail -c "+$((script_bytes + 1))" <input.new >input && rm input.new &&
    [ "$(size script)" = "$script_bytes" ] && [ "$(size input)" = "$input_bytes" ] &&
    printf %s "$head" >head && printf %s "$start" >start && printf %s "$keeper" >run &&
    echo "$new" >owner && head -c 16384 /dev/zero >reserve && date +%s >begun && cd ..; }; then
    exit 73
fi
mv "./$new" "./$id" 2>/dev/null
if [ "$(cat "./$id/owner" 2>/dev/null)" = "$new" ]; then
    cd "./$id" && exec setsid sh -c 'exec setsid sh ./run' </dev/null >/dev/null 2>&1
    exit 73
fi
rm -rf "./$id/$new"
[ -e "$id/begun" ] || exit 73
"#;

/// Waits for the command and writes down how it ended. It is in another session than the command,
/// so that a signal for the command's group does not reach it. A full disk is said at the end of
/// the command's standard error, since the command itself could write it nowhere.
const KEEPER: &str = r#"echo "$$ $(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)" >keeper.new && mv keeper.new keeper
trap : HUP TERM INT USR1 USR2
setsid sh ./start <input >stdout 2>stderr
code=$?
{ head -c 4096 /dev/zero >filler; } 2>/dev/null
filled=$(wc -c <filler 2>/dev/null | tr -d ' ')
rm -f filler reserve start
if [ "${filled:-0}" != 4096 ]; then
    echo "infra402: the container's disk is full; output of this command may be missing" >>stderr
fi
tries=0
until { date +%s >ended && echo "$code" >status.new && mv status.new status; } 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || exit 1
    sleep 1
done
"#;

/// Enters the folder and runs the script, both as the command's user: the folder may be closed to
/// root, as on a file system of another machine.
const ENTER: &str = r#"if [ -n "$1" ]; then cd -- "$1" || exit 125
else cd -- "$HOME" 2>/dev/null || cd /; fi
exec /bin/sh -c "$2""#;

/// Prints a line for each command, the youngest first; [`super::record`] reads it.
const SHOW: &str = r#"cd "$folder" 2>/dev/null || exit 0
size() { if [ -e "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }
ended() { if [ -e "$1/status" ]; then state=ended status=$(cat "$1/status") ended=$(cat "$1/ended"); fi; }
for id in ${ids:-$(ls -1t -- */begun 2>/dev/null | cut -d / -f 1)}; do
    [ -e "$id/begun" ] || continue
    state=lost status=- ended=-
    if read -r pid start 2>/dev/null <"$id/keeper"; then
        now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
        if [ "$now" = "$start" ]; then state=running; fi
    elif [ "$(($(date +%s) - $(cat "$id/begun")))" -lt 10 ]; then
        state=running
    fi
    ended "$id"
    echo "$id $state $status $(cat "$id/begun") $ended $(size "$id/stdout") $(size "$id/stderr") $(base64 <"$id/head" | tr -d '\n')"
done
"#;

/// Waits some seconds for the command's process group and sends it the signal. A command that
/// changes its group still has its first process.
const SIGNAL: &str = r#"cd "$folder/$id" || exit 75
until=$(($(date +%s) + 6))
while ! [ -e group ] && ! [ -e status ] && [ "$(date +%s)" -lt "$until" ]; do
    sleep 0.1 2>/dev/null || sleep 1
done
if [ -e status ]; then exit 0; fi
group=$(cat group) || exit 75
kill -s "$signal" -- "-$group" 2>/dev/null || kill -s "$signal" "$group"
"#;

/// Begins the command under this id. The request's input is the script, then the command's input.
pub(super) fn begin(id: &str, command: &GuestCommand) -> String {
    format!(
        "folder={FOLDER} id={} most={} script_bytes={} input_bytes={} head={} start={} keeper={}\n{BEGIN}",
        quoted(id),
        MOST_COMMANDS + 1,
        command.script.len(),
        command.stdin.len(),
        quoted(head_of(&command.script)),
        quoted(&start(command)),
        quoted(KEEPER),
    )
}

/// Prints the lines of all commands, or of the one with this id.
pub(super) fn show(id: &str) -> String {
    format!("folder={FOLDER} ids={}\n{SHOW}", quoted(id))
}

/// Sends a signal to the command with this id.
pub(super) fn signal(id: &str, signal: CommandSignal) -> String {
    let name = signal.name();
    format!("folder={FOLDER} id={} signal={name}\n{SIGNAL}", quoted(id))
}

/// What runs the customer's script: in its folder, with its variables, as its user. `setpriv` keeps
/// the process; where it is missing `su` does the same. The command's words are complete before the
/// variables are set, because a variable may have any name.
pub(super) fn start(command: &GuestCommand) -> String {
    let mut text = "echo $$ >group.new && mv group.new group\n".to_owned();
    let enter = quoted(ENTER);
    let arguments = format!(
        "sh {} \"$(cat script)\"",
        quoted(command.cwd.as_deref().unwrap_or_default()),
    );
    text += &match command.user.as_deref() {
        Some(user) => format!(
            "u={} && i=$(id -u \"$u\") && g=$(id -g \"$u\") || exit 125\n\
             eval \"HOME=~$u\"; USER=$u LOGNAME=$u; export HOME USER LOGNAME\n\
             if p=$(command -v setpriv) && \"$p\" --reuid=\"$i\" --regid=\"$g\" --init-groups true 2>/dev/null; then\n\
             set -- \"$p\" --reuid=\"$i\" --regid=\"$g\" --init-groups /bin/sh -c {enter} {arguments}\n\
             else set -- \"$(command -v su)\" -s /bin/sh -c {enter} -- \"$u\" {arguments}\nfi\n",
            quoted(user),
        ),
        None => format!("set -- /bin/sh -c {enter} {arguments}\n"),
    };
    for (name, value) in &command.env {
        text += &format!("export {name}={}\n", quoted(value));
    }
    text + "cd /\nexec \"$@\"\n"
}

/// The beginning of a command line.
pub(super) fn head_of(script: &str) -> &str {
    let mut end = script.len().min(HEAD_BYTES);
    while !script.is_char_boundary(end) {
        end -= 1;
    }
    &script[..end]
}
