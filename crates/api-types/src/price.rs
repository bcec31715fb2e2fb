//! The one price formula. Server, agent and user interface call the same functions, so the number
//! that a customer is shown is the number that is signed and settled. All arithmetic is on
//! integers: components are kept as exact fractions of an atomic unit, and only the total is
//! rounded, upwards.

use serde::{Deserialize, Serialize};

use crate::money::{Overflow, Usdc};

/// Totals are multiples of this: 0.0001 dollars.
pub const ROUNDING: Usdc = Usdc(100);

/// Every component is a whole number of (60 × 1024)ths: minutes of an hour times MiB of a GiB.
const PARTS: u128 = 60 * 1024;

/// The rates of an operator, in atomic USDC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Tariff {
    /// Charged once for each new lease.
    pub base_fee: Usdc,
    /// One core for one hour.
    pub core_hour: Usdc,
    /// One GiB of memory for one hour.
    pub memory_gib_hour: Usdc,
    /// One GiB of disk for one hour.
    pub disk_gib_hour: Usdc,
    /// Charged for each exec, console and list call, and once for each renewal.
    pub call_fee: Usdc,
}

/// One cent for the default lease of an hour, a tenth of a cent for a call.
impl Default for Tariff {
    fn default() -> Self {
        Self {
            base_fee: Usdc(2_000),
            core_hour: Usdc(4_000),
            memory_gib_hour: Usdc(3_200),
            disk_gib_hour: Usdc(300),
            call_fee: Usdc(1_000),
        }
    }
}

/// The size of a container, in the units in which Proxmox counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// Number of cores.
    pub cores: u32,
    /// Memory in MiB.
    #[serde(rename = "memoryMB")]
    pub memory_mb: u32,
    /// Root disk in GiB.
    #[serde(rename = "diskGB")]
    pub disk_gb: u32,
}

/// What something costs, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// The amount to pay: a multiple of [`ROUNDING`].
    pub total: Usdc,
    /// Where it comes from; the amounts add up to the total exactly.
    pub lines: Vec<LineItem>,
}

/// One line of a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LineItem {
    /// What is charged, for people: `Memory`.
    pub label: String,
    /// How much of it, as a decimal number with at most six places: `0.5`.
    pub quantity: String,
    /// The unit of the quantity: `GiB-hour`.
    pub unit: String,
    /// The charge in atomic USDC.
    pub amount: Usdc,
}

/// The price of a new lease.
///
/// # Errors
/// [`Overflow`] when the total does not fit, which takes rates or sizes far beyond any limit.
pub fn price_lease(tariff: &Tariff, size: Size, minutes: u32) -> Result<Price, Overflow> {
    priced(
        ("Base fee", tariff.base_fee, "lease"),
        &usage(tariff, size, minutes),
    )
}

/// The price of adding minutes to a lease of this size. The call fee takes the place of the base
/// fee, because no container has to be made.
///
/// # Errors
/// [`Overflow`], as for [`price_lease`].
pub fn price_renew(tariff: &Tariff, size: Size, minutes: u32) -> Result<Price, Overflow> {
    priced(
        ("Renewal fee", tariff.call_fee, "call"),
        &usage(tariff, size, minutes),
    )
}

/// The price of one exec, console or list call.
///
/// # Errors
/// [`Overflow`] when the fee is too large to be rounded up.
pub fn price_call(tariff: &Tariff) -> Result<Price, Overflow> {
    priced(("Call fee", tariff.call_fee, "call"), &[])
}

/// A rate times a quantity, the quantity in [`PARTS`] of an hourly unit.
struct Usage {
    label: &'static str,
    unit: &'static str,
    rate: Usdc,
    quantity: u128,
}

fn usage(tariff: &Tariff, size: Size, minutes: u32) -> [Usage; 3] {
    // Three factors of at most 2^32, 2^32 and 2^10: no product can leave 128 bits.
    let minutes = u128::from(minutes);
    let line = |label, unit, rate, quantity| Usage {
        label,
        unit,
        rate,
        quantity,
    };
    [
        line(
            "Cores",
            "core-hour",
            tariff.core_hour,
            u128::from(size.cores) * minutes * 1024,
        ),
        line(
            "Memory",
            "GiB-hour",
            tariff.memory_gib_hour,
            u128::from(size.memory_mb) * minutes,
        ),
        line(
            "Disk",
            "GiB-hour",
            tariff.disk_gib_hour,
            u128::from(size.disk_gb) * minutes * 1024,
        ),
    ]
}

fn priced(fee: (&str, Usdc, &str), usage: &[Usage]) -> Result<Price, Overflow> {
    let (label, amount, unit) = fee;
    let mut lines = vec![line(label, "1".to_owned(), unit, amount)];
    let mut exact = u128::from(amount.0) * PARTS;
    for part in usage {
        let charge = part
            .quantity
            .checked_mul(part.rate.0.into())
            .ok_or(Overflow)?;
        exact = exact.checked_add(charge).ok_or(Overflow)?;
        let shown = u64::try_from(charge / PARTS).map_err(|_| Overflow)?;
        lines.push(line(
            part.label,
            decimal(part.quantity),
            part.unit,
            Usdc(shown),
        ));
    }
    let step = u128::from(ROUNDING.0);
    let total = exact
        .div_ceil(PARTS * step)
        .checked_mul(step)
        .ok_or(Overflow)?;
    let total = Usdc(u64::try_from(total).map_err(|_| Overflow)?);
    let shown = Usdc::checked_sum(lines.iter().map(|line| line.amount)).ok_or(Overflow)?;
    let rest = total.checked_sub(shown).ok_or(Overflow)?;
    if rest > Usdc::ZERO {
        lines.push(line("Rounding", "1".to_owned(), unit, rest));
    }
    Ok(Price { total, lines })
}

fn line(label: &str, quantity: String, unit: &str, amount: Usdc) -> LineItem {
    LineItem {
        label: label.to_owned(),
        quantity,
        unit: unit.to_owned(),
        amount,
    }
}

/// A quantity in [`PARTS`] as a decimal number, cut after six places.
fn decimal(parts: u128) -> String {
    let fraction = format!("{:06}", parts % PARTS * 1_000_000 / PARTS);
    let text = format!("{}.{fraction}", parts / PARTS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
