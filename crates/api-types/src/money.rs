//! Amounts of USDC. Everything that is priced, signed or stored is a whole number of atomic units,
//! so that no amount ever passes through a floating-point number.

use std::{borrow::Cow, fmt, iter::Sum, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in atomic USDC: 1,000,000 units are one dollar.
///
/// On the wire it is a string of decimal digits, as x402 writes amounts, because a JSON number
/// loses precision above 2^53 in many clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usdc(pub u64);

/// The result of an arithmetic step does not fit into 64 bits of atomic USDC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// A text is not an amount: atomic units are digits only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseUsdcError;

impl Usdc {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One dollar in atomic units.
    pub const ONE: Self = Self(1_000_000);
    /// Decimal places of the token.
    pub const DECIMALS: u32 = 6;

    /// The number of atomic units.
    pub const fn atomic(self) -> u64 {
        self.0
    }

    /// The sum, unless it leaves the range.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference, unless it is negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The multiple, unless it leaves the range.
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The sum of all amounts, unless it leaves the range.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The amount in dollars without a unit, never rounded, with at least four decimals so that
    /// amounts in a column line up: `0.0100`.
    pub fn to_decimal(self) -> String {
        let whole = self.0 / Self::ONE.0;
        let fraction = format!("{:06}", self.0 % Self::ONE.0);
        let kept = fraction.trim_end_matches('0').len().max(4);
        format!("{whole}.{}", &fraction[..kept])
    }
}

/// Adds up; stays at the largest amount instead of wrapping, so that a limit check on the sum still refuses.
impl Sum for Usdc {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, next| Self(sum.0.saturating_add(next.0)))
    }
}

impl fmt::Display for Usdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USDC", self.to_decimal())
    }
}

/// Reads atomic units, the form on the wire.
impl FromStr for Usdc {
    type Err = ParseUsdcError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u64::from_str` would also take a leading plus sign.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseUsdcError);
        }
        text.parse().map(Self).map_err(|_| ParseUsdcError)
    }
}

impl Serialize for Usdc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Usdc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the amount is larger than can be counted")
    }
}

impl fmt::Display for ParseUsdcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount is a string of digits, in millionths of a dollar")
    }
}

impl std::error::Error for Overflow {}
impl std::error::Error for ParseUsdcError {}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Usdc {
    fn schema_name() -> Cow<'static, str> {
        "Usdc".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,20}$",
            "description": "Atomic USDC: 1000000 is one dollar",
            "examples": ["10000"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_in_dollars_without_noise() {
        assert_eq!(Usdc(10_000).to_string(), "0.0100 USDC");
        assert_eq!(Usdc(12_300).to_string(), "0.0123 USDC");
        assert_eq!(Usdc(1_500_000).to_string(), "1.5000 USDC");
        assert_eq!(Usdc(0).to_string(), "0.0000 USDC");
        assert_eq!(Usdc(1).to_string(), "0.000001 USDC");
        assert_eq!(Usdc(u64::MAX).to_string(), "18446744073709.551615 USDC");
    }

    #[test]
    fn an_amount_travels_as_a_string_of_digits() {
        assert_eq!(serde_json::to_string(&Usdc(10_000)).unwrap(), "\"10000\"");
        let largest: Usdc = serde_json::from_str("\"18446744073709551615\"").unwrap();
        assert_eq!(largest, Usdc(u64::MAX));
        for bad in ["10000", "\"\"", "\"+1\"", "\"-1\"", "\"1.5\"", "\"1e3\""] {
            assert!(serde_json::from_str::<Usdc>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Usdc>("\"18446744073709551616\"").is_err());
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Usdc(2).checked_add(Usdc(3)), Some(Usdc(5)));
        assert_eq!(Usdc(u64::MAX).checked_add(Usdc(1)), None);
        assert_eq!(Usdc(1).checked_sub(Usdc(2)), None);
        assert_eq!(Usdc(u64::MAX).checked_mul(2), None);
        assert_eq!(Usdc::checked_sum([Usdc(1), Usdc(2)]), Some(Usdc(3)));
        assert_eq!(
            [Usdc(u64::MAX), Usdc(1)].into_iter().sum::<Usdc>(),
            Usdc(u64::MAX)
        );
    }
}
