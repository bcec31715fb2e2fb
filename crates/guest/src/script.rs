//! The text that starts a command in a guest.
//!
//! A command passes three readers: the login shell (bash, dash, BusyBox's, zsh or fish), a prelude
//! of ours for `/bin/sh`, and the `/bin/sh` that runs the customer's script. The prelude prints a
//! header with a random word on both outputs before the script starts. What comes before it is
//! the login shell's own (a `.bashrc` that prints) and not part of the output. The header carries
//! the process group, which is what a time limit ends: OpenSSH before 9.8 passes no signals on for
//! root. Its other forms say that the user or the directory is missing, which no command of the
//! customer's can imitate, because the word is not known to it.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::GuestError;

/// The longest command line that is sent. Linux allows 128 KiB in one argument.
pub(crate) const MAX_LINE: usize = 100 * 1024;
/// The longest variable. A longer one would keep every program from starting.
const MAX_VARIABLE: usize = 128 * 1024 - 1;
/// All variables together. Linux allows about 2 MiB for arguments and environment.
const MAX_ENVIRONMENT: usize = 1024 * 1024;

/// Dropbear starts commands in the process group of their connection, so those get a group of
/// their own: what ends the command must not end its connection.
///
/// What the commands' preludes get: the header's word, the working directory or nothing, how the
/// script is given (`text` or `file`), code that sets the environment, the script or its path.
const PRELUDE: &str = r#"unset CDPATH
if [ -n "$2" ]; then cd -- "$2" 2>/dev/null || { echo "$1 directory" >&2; exit 70; }
else cd -- "$HOME" 2>/dev/null || cd /; fi
g=$$
if { read -r l < /proc/$$/stat; } 2>/dev/null; then
l=${l##*) } l=${l#* } l=${l#* } g=${l%% *}
fi
if [ "$g" != "$$" ] && l=$(command -v setsid); then set -- "$@" "$l"; g=$$; fi
echo "$1 run $g" >&2
echo "$1"
unset g l
eval "$4"
case $3${6:+own} in
file) exec /bin/sh "$5";;
text) exec /bin/sh -c "$5";;
fileown) exec "$6" /bin/sh "$5";;
*) exec "$6" /bin/sh -c "$5";;
esac"#;

/// Becomes another user: the prelude, the user's name, and what the prelude gets. `setpriv` keeps
/// the process; BusyBox has none that can, and all have `su`.
const BECOME: &str = r#"p=$1 u=$2
shift 2
{ i=$(id -u "$u") && g=$(id -g "$u"); } 2>/dev/null || { echo "$1 user" >&2; exit 70; }
[ "$3" = file ] && chown "$i" "$5"
eval "HOME=~$u"
USER=$u LOGNAME=$u
export HOME USER LOGNAME
[ "$i" = "$(id -u)" ] && exec /bin/sh -c "$p" sh "$@"
if setpriv --reuid="$i" --regid="$g" --init-groups true 2>/dev/null; then
exec setpriv --reuid="$i" --regid="$g" --init-groups /bin/sh -c "$p" sh "$@"
fi
exec su -s /bin/sh -c "$p" -- "$u" sh "$@""#;

/// How a command is started.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) word: &'a str,
    pub(crate) cwd: &'a str,
    pub(crate) user: Option<&'a str>,
}

impl Start<'_> {
    /// The line for the login shell, with the script in it.
    pub(crate) fn with_text(&self, environment: &[u8], script: &[u8]) -> Vec<u8> {
        self.line("text", environment, script)
    }

    /// The line for the login shell, with the script in a file.
    pub(crate) fn with_file(&self, path: &str) -> Vec<u8> {
        self.line("file", b"", path.as_bytes())
    }

    fn line(&self, mode: &str, environment: &[u8], script: &[u8]) -> Vec<u8> {
        let mut line = b"exec /bin/sh -c ".to_vec();
        let mut words: Vec<&[u8]> = Vec::with_capacity(9);
        match self.user {
            Some(user) => words.extend([
                BECOME.as_bytes(),
                b"sh",
                PRELUDE.as_bytes(),
                user.as_bytes(),
            ]),
            None => words.extend([PRELUDE.as_bytes(), b"sh"]),
        }
        words.extend([self.word.as_bytes(), self.cwd.as_bytes(), mode.as_bytes()]);
        words.extend([environment, script]);
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            quote(word, &mut line);
        }
        line
    }
}

/// Code that ends a process group: TERM, KILL for what is left after two seconds.
pub(crate) fn end_group(group: u32) -> String {
    let text = format!(
        "kill -s TERM -- -{group}; i=0; while kill -s 0 -- -{group} && [ $i -lt 20 ]; do \
         sleep 0.1; i=$((i+1)); done; kill -s KILL -- -{group}"
    );
    format!("exec /bin/sh -c '{{ {text}; }} 2>/dev/null'")
}

/// The file for a script that is too long for a line: it removes itself first.
pub(crate) fn file(path: &str, environment: &[u8], script: &[u8]) -> Vec<u8> {
    let mut text = b"rm -f -- ".to_vec();
    quote(path.as_bytes(), &mut text);
    text.push(b'\n');
    text.extend_from_slice(environment);
    text.extend_from_slice(script);
    text
}

/// Code for `sh` that sets the variables.
///
/// # Errors
/// [`GuestError::InvalidCommand`].
pub(crate) fn environment(variables: &[(String, String)]) -> Result<Vec<u8>, GuestError> {
    let mut code = Vec::new();
    for (name, value) in variables {
        let letter = |c: u8| c.is_ascii_alphabetic() || c == b'_';
        let bytes = name.as_bytes();
        let plain = bytes.first().is_some_and(|c| letter(*c))
            && bytes.iter().all(|c| letter(*c) || c.is_ascii_digit());
        if !plain {
            return Err(GuestError::InvalidCommand("a variable's name is invalid"));
        }
        if value.contains('\0') {
            return Err(GuestError::InvalidCommand("a variable has a NUL byte"));
        }
        if name.len() + value.len() + 1 > MAX_VARIABLE {
            return Err(GuestError::InvalidCommand(
                "a variable is longer than 128 KiB",
            ));
        }
        code.extend_from_slice(b"export ");
        code.extend_from_slice(bytes);
        code.push(b'=');
        quote(value.as_bytes(), &mut code);
        code.push(b'\n');
    }
    if code.len() > MAX_ENVIRONMENT {
        return Err(GuestError::InvalidCommand(
            "the variables are longer than 1 MiB",
        ));
    }
    Ok(code)
}

/// Whether it can be the name of a user. Others are not looked up.
pub(crate) fn is_user_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    !name.is_empty() && name.len() <= 64 && !name.starts_with('-') && name.bytes().all(plain)
}

/// Random hexadecimal digits, 32 of them.
pub(crate) fn random_word() -> Result<String, GuestError> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| GuestError::Other("the system has no random numbers".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Quotes a word so that POSIX shells and fish read the same: fish takes backslashes in single
/// quotes as escapes.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => out.extend_from_slice(br#"'"'"'"#),
            b'\\' => out.extend_from_slice(br#"'"\\"'"#),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<u8>> {
        let special = prop::sample::select(b"'\\\"$`!\n *;~#\xff\x01".to_vec());
        prop::collection::vec(prop_oneof![special, 1..=255u8], 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_quoted_word_comes_out_of_sh_as_it_went_in(word in words()) {
            let mut line = b"printf %s ".to_vec();
            quote(&word, &mut line);
            let line = std::os::unix::ffi::OsStringExt::from_vec(line);
            let line: std::ffi::OsString = line;
            let output = Command::new("/bin/sh").arg("-c").arg(line).output().unwrap();
            prop_assert_eq!(output.stdout, word);
        }
    }

    #[test]
    fn names_of_variables_and_users_are_names() {
        for name in ["", "1A", "A=B", "A B", "A;id", "Ä", "A\n"] {
            let variables = [(name.to_owned(), String::new())];
            assert!(environment(&variables).is_err(), "{name:?}");
        }
        assert_eq!(
            environment(&[("A_1".to_owned(), "it's".to_owned())]).unwrap(),
            b"export A_1='it'\"'\"'s'\n"
        );
        for name in ["", "-c", "a b", "$(id)", "a;b", "a/b", "~"] {
            assert!(!is_user_name(name), "{name:?}");
        }
        assert!(is_user_name("www-data"));
    }

    #[test]
    fn a_variable_that_no_program_could_start_with_is_refused() {
        let variables = [("A".to_owned(), "x".repeat(128 * 1024))];
        assert!(environment(&variables).is_err());
        let variables = vec![("A".to_owned(), "x".repeat(100_000)); 20];
        assert!(environment(&variables).is_err());
    }
}
