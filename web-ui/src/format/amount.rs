//! Amounts of USDC.

use api_types::Usdc;

/// `0.0100`: dollars, never rounded.
pub fn decimal_amount(amount: Usdc) -> String {
    amount.to_decimal()
}

/// `0.0100 USDC`.
pub fn usdc(amount: Usdc) -> String {
    amount.to_string()
}

/// Reads dollars as a person types them: `0.5`, `,5` or `12`. Nothing is rounded: a seventh decimal
/// is an error.
pub fn parse_amount(text: &str) -> Option<Usdc> {
    let text = text.trim().replace(',', ".");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > 6
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole
        .checked_mul(1_000_000)?
        .checked_add(fraction)
        .map(Usdc)
}

/// `0.5 GiB-hours`: the quantity of a price line with its unit, in the plural unless it is one.
pub fn quantity(amount: &str, unit: &str) -> String {
    let plural = if amount == "1" { "" } else { "s" };
    format!("{amount} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_line_up() {
        assert_eq!(usdc(Usdc(10_000)), "0.0100 USDC");
        assert_eq!(usdc(Usdc(0)), "0.0000 USDC");
        assert_eq!(usdc(Usdc(1)), "0.000001 USDC");
        assert_eq!(usdc(Usdc(12_345_678)), "12.345678 USDC");
        assert_eq!(usdc(Usdc(u64::MAX)), "18446744073709.551615 USDC");
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        for atomic in [0, 1, 100, 10_000, 1_000_000, 1_234_567, u64::MAX] {
            assert_eq!(
                parse_amount(&decimal_amount(Usdc(atomic))),
                Some(Usdc(atomic))
            );
        }
        assert_eq!(parse_amount(" 0,5 "), Some(Usdc(500_000)));
        assert_eq!(parse_amount(".25"), Some(Usdc(250_000)));
        assert_eq!(parse_amount("3."), Some(Usdc(3_000_000)));
        for bad in [
            "",
            ".",
            "-1",
            "1e3",
            "0.0000001",
            "1.2.3",
            "+1",
            "18446744073710",
        ] {
            assert_eq!(parse_amount(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_quantity_agrees_with_its_unit() {
        assert_eq!(quantity("1", "lease"), "1 lease");
        assert_eq!(quantity("0.5", "GiB-hour"), "0.5 GiB-hours");
    }
}
