//! Values of options that are more than a text or a number.

use std::str::FromStr;

use api_types::{CommandSignal, Usdc};
use clap::ValueEnum;
use serde::Serialize;

/// Dollars with at most six decimals.
///
/// # Errors
/// The text is no amount.
pub fn dollars(text: &str) -> Result<Usdc, String> {
    let error = || "has to be dollars with at most six decimals, such as 0.25".to_owned();
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
        return Err(error());
    }
    format!("{whole}{fraction:0<6}")
        .parse()
        .map_err(|_| error())
}

/// Memory in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mebibytes(pub u32);

impl FromStr for Mebibytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || "has to be MiB, or a number with M or G, such as 512M or 2G".to_owned();
        let upper = text.to_ascii_uppercase();
        let (number, factor) = match upper.strip_suffix('G') {
            Some(number) => (number, 1024),
            None => (upper.strip_suffix('M').unwrap_or(&upper), 1),
        };
        let number: u32 = number.parse().map_err(|_| error())?;
        number.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

/// Cores, memory and disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSize {
    /// Number of cores.
    pub cores: u32,
    /// Memory.
    pub memory: Mebibytes,
    /// Disk in GiB.
    pub disk_gb: u32,
}

impl FromStr for ContainerSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || "has to be CORES/MEMORY/DISK, such as 2/1G/16G".to_owned();
        let parts: Vec<_> = text.split('/').collect();
        let [cores, memory, disk] = parts[..] else {
            return Err(error());
        };
        let disk = disk.strip_suffix(['G', 'g']).unwrap_or(disk);
        Ok(Self {
            cores: cores.parse().map_err(|_| error())?,
            memory: memory.parse().map_err(|_| error())?,
            disk_gb: disk.parse().map_err(|_| error())?,
        })
    }
}

/// A variable of a command's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for EnvVariable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("has to be NAME=VALUE")?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// Who may open a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The lease's owner.
    Owner,
    /// Who has the link.
    Link,
    /// Everybody.
    Public,
}

/// A signal for a command in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum RemoteSignal {
    /// Asks it to end.
    Term,
    /// Interrupts it, as Ctrl-C does.
    Int,
    /// Tells it that its terminal is gone.
    Hup,
    /// Ends it at once.
    Kill,
    /// The first signal that programs define for themselves.
    Usr1,
    /// The second one.
    Usr2,
}

impl From<RemoteSignal> for CommandSignal {
    fn from(signal: RemoteSignal) -> Self {
        match signal {
            RemoteSignal::Term => Self::Term,
            RemoteSignal::Int => Self::Int,
            RemoteSignal::Hup => Self::Hup,
            RemoteSignal::Kill => Self::Kill,
            RemoteSignal::Usr1 => Self::Usr1,
            RemoteSignal::Usr2 => Self::Usr2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_and_sizes_are_read_exactly_or_refused() {
        for (text, units) in [
            ("1", 1_000_000),
            ("$0.25", 250_000),
            ("0.000001", 1),
            ("2.", 2_000_000),
        ] {
            assert_eq!(dollars(text), Ok(Usdc(units)), "{text}");
        }
        for bad in ["", ".5", "-1", "1e3", "0.0000001", "1,5", "99999999999999"] {
            assert!(dollars(bad).is_err(), "{bad}");
        }
        assert_eq!("2G".parse(), Ok(Mebibytes(2048)));
        assert_eq!("512".parse(), Ok(Mebibytes(512)));
        assert_eq!("64m".parse(), Ok(Mebibytes(64)));
        assert!("4194304G".parse::<Mebibytes>().is_err());
        let size = ContainerSize {
            cores: 2,
            memory: Mebibytes(1024),
            disk_gb: 16,
        };
        assert_eq!("2/1G/16G".parse(), Ok(size));
        assert!("2/1G".parse::<ContainerSize>().is_err());
        assert!("=x".parse::<EnvVariable>().is_err());
    }

    proptest! {
        #[test]
        fn every_amount_is_read_as_it_is_written(units in 0u64..) {
            prop_assert_eq!(dollars(&Usdc(units).to_decimal()), Ok(Usdc(units)));
        }
    }
}
