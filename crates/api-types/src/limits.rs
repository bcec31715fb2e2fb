//! What may be asked for. A request is checked before it is priced, and every problem is reported
//! at once, so that a caller needs one look to put all of it right. Messages never repeat the
//! refused value: it may be a secret.

use serde::{Deserialize, Serialize};

use crate::{
    error::FieldError,
    lease::{LeaseRequest, RenewRequest},
    management::ExecRequest,
};

/// The smallest and the largest number that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

impl Bounds {
    /// From one number to another, both included.
    pub const fn new(min: u32, max: u32) -> Self {
        Self { min, max }
    }

    /// Whether the number is within the bounds.
    pub const fn contains(self, number: u32) -> bool {
        self.min <= number && number <= self.max
    }
}

/// The limits of requests. The operator sets the largest `cores`, `memoryMB`, `diskGB` and
/// `runtimeMinutes`, and `leasesPerWallet`; the others are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Number of cores.
    pub cores: Bounds,
    /// Memory in MiB.
    #[serde(rename = "memoryMB")]
    pub memory_mb: Bounds,
    /// Root disk in GiB.
    #[serde(rename = "diskGB")]
    pub disk_gb: Bounds,
    /// Paid time of one lease or renewal, in minutes.
    pub runtime_minutes: Bounds,
    /// Length of a password, in characters.
    pub password_length: Bounds,
    /// Size of a command with all its arguments, in bytes.
    pub command_bytes: u32,
    /// Time that a command may ask for, in seconds.
    pub exec_timeout_seconds: Bounds,
    /// Leases that one wallet may have at a time.
    pub leases_per_wallet: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cores: Bounds::new(1, 8),
            memory_mb: Bounds::new(64, 16_384),
            disk_gb: Bounds::new(1, 200),
            runtime_minutes: Bounds::new(1, 30 * 24 * 60),
            password_length: Bounds::new(8, 64),
            command_bytes: 64 * 1024,
            exec_timeout_seconds: Bounds::new(1, 300),
            leases_per_wallet: 10,
        }
    }
}

/// Collects the refused fields.
#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn require(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.0.push(FieldError::new(field, message));
        }
    }

    fn within(&mut self, bounds: Bounds, number: u32, field: &str, unit: &str) {
        let message = format!("has to be from {} to {}{unit}", bounds.min, bounds.max);
        self.require(bounds.contains(number), field, message);
    }

    fn result(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }
}

impl Limits {
    /// Checks a request for a lease or a quote.
    ///
    /// # Errors
    /// Every field that is refused, by its name on the wire.
    pub fn validate_lease(&self, request: &LeaseRequest) -> Result<(), Vec<FieldError>> {
        let mut found = Findings::default();
        found.require(
            is_label(&request.sku, 64),
            "sku",
            "has to be 1 to 64 printable characters",
        );
        found.within(
            self.runtime_minutes,
            request.runtime_minutes,
            "runtimeMinutes",
            " minutes",
        );
        found.within(self.cores, request.cores, "cores", "");
        found.within(self.memory_mb, request.memory_mb, "memoryMB", " MiB");
        found.within(self.disk_gb, request.disk_gb, "diskGB", " GiB");
        if let Some(hostname) = &request.hostname {
            let message = "has to be a DNS label: 1 to 63 letters, digits and hyphens, no hyphen at either end";
            found.require(is_dns_label(hostname), "hostname", message);
        }
        if let Some(password) = &request.password {
            let Bounds { min, max } = self.password_length;
            let message = format!("has to be {min} to {max} printable ASCII characters");
            found.require(self.is_password(password.expose()), "password", message);
        }
        if let Some(key) = &request.ssh_public_key {
            let message =
                "has to be one line of OpenSSH public key: type, base64 and an optional comment";
            found.require(is_ssh_public_key(key), "sshPublicKey", message);
        }
        if let Some(template) = &request.template {
            found.require(
                is_label(template, 255),
                "template",
                "has to be a name from the catalog",
            );
        }
        if let Some(requester) = &request.requester {
            let message = "has to be 1 to 128 printable characters";
            found.require(is_label(requester, 128), "requester", message);
        }
        found.result()
    }

    /// Checks a renewal.
    ///
    /// # Errors
    /// Every field that is refused, by its name on the wire.
    pub fn validate_renew(&self, request: &RenewRequest) -> Result<(), Vec<FieldError>> {
        let mut found = Findings::default();
        found.within(
            self.runtime_minutes,
            request.runtime_minutes,
            "runtimeMinutes",
            " minutes",
        );
        found.result()
    }

    /// Checks a command.
    ///
    /// # Errors
    /// Every field that is refused, by its name on the wire.
    pub fn validate_exec(&self, request: &ExecRequest) -> Result<(), Vec<FieldError>> {
        let mut found = Findings::default();
        let room = self.command_bytes as usize;
        let command = request.command.len();
        let arguments: usize = request
            .extra_args
            .iter()
            .map(|argument| argument.len() + 1)
            .sum();
        found.require(
            !request.command.trim().is_empty(),
            "command",
            "must not be empty",
        );
        // A NUL byte cannot be part of an argument on Linux.
        found.require(
            !request.command.contains('\0'),
            "command",
            "must not contain a NUL character",
        );
        found.require(
            command <= room,
            "command",
            format!("has to be at most {room} bytes"),
        );
        let clean = !request
            .extra_args
            .iter()
            .any(|argument| argument.contains('\0'));
        found.require(clean, "extraArgs", "must not contain a NUL character");
        let message = format!("has to be at most {room} bytes together with the command");
        found.require(
            command > room || command + arguments <= room,
            "extraArgs",
            message,
        );
        if let Some(seconds) = request.timeout_seconds {
            found.within(
                self.exec_timeout_seconds,
                seconds,
                "timeoutSeconds",
                " seconds",
            );
            found.require(
                !request.background,
                "timeoutSeconds",
                "must be absent for a background command, which has no time limit",
            );
        }
        self.validate_surroundings(request, &mut found);
        found.result()
    }

    /// Checks input, environment, folder and user of a command.
    fn validate_surroundings(&self, request: &ExecRequest, found: &mut Findings) {
        found.require(
            request.stdin.is_none() || request.stdin_base64.is_none(),
            "stdinBase64",
            "must be absent where stdin is given",
        );
        let room = self.command_bytes as usize;
        let names = request.env.keys().all(|name| is_variable_name(name));
        let message =
            "has a name that is no variable's: letters, digits and _ only, no digit first";
        found.require(names, "env", message);
        let clean = !request.env.values().any(|value| value.contains('\0'));
        found.require(clean, "env", "must not contain a NUL character");
        let size: usize = request
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        let message = format!("has to be at most {room} bytes in all");
        found.require(size <= room, "env", message);
        if let Some(folder) = &request.cwd {
            found.require(
                is_absolute_path(folder),
                "cwd",
                "has to be an absolute path of at most 4095 bytes without a NUL character",
            );
        }
        if let Some(user) = &request.user {
            let message = "has to be the name of a user: 1 to 32 letters, digits, `.`, `_` and `-`";
            found.require(is_user_name(user), "user", message);
        }
    }

    fn is_password(&self, text: &str) -> bool {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        // The space is printable, and passphrases use it.
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        printable && self.password_length.contains(length)
    }
}

/// Linux takes paths of at most 4,095 bytes.
pub fn is_absolute_path(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 4095 && !text.contains('\0')
}

fn is_variable_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(inside) && !text.as_bytes()[0].is_ascii_digit()
}

/// What `useradd` takes, and dots.
fn is_user_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=32).contains(&text.len()) && text.bytes().all(inside) && !text.starts_with('-')
}

fn is_label(text: &str, longest: usize) -> bool {
    let characters = text.chars().count();
    (1..=longest).contains(&characters) && !text.chars().any(char::is_control)
}

/// RFC 1123, section 2.1: a label may begin with a digit.
fn is_dns_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The shape of one line of `authorized_keys` without options. Anything else, above all a line
/// break, could add a second key or an option.
fn is_ssh_public_key(text: &str) -> bool {
    const TYPES: [&str; 7] = [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    // A trailing line break is what reading the file of a key gives.
    let line = text
        .strip_suffix('\n')
        .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    let mut words = line.splitn(3, ' ');
    let known = words.next().is_some_and(|word| TYPES.contains(&word));
    let body = words.next().is_some_and(is_key_body);
    known && body && line.len() <= 8 * 1024 && !line.chars().any(char::is_control)
}

/// Base64 of an SSH key begins with the length of the type's name: three zero bytes, hence `AAAA`.
fn is_key_body(word: &str) -> bool {
    let digits = word.trim_end_matches('=');
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    word.starts_with("AAAA")
        && word.len() >= 64
        && word.len().is_multiple_of(4)
        && word.len() - digits.len() <= 2
        && digits.bytes().all(alphabet)
}

#[cfg(test)]
mod tests;
