//! What the price formula promises.

use proptest::prelude::*;

use super::*;

const SMALL: Size = Size {
    cores: 1,
    memory_mb: 512,
    disk_gb: 8,
};

fn lease(size: Size, minutes: u32) -> Price {
    price_lease(&Tariff::default(), size, minutes).unwrap()
}

fn adds_up(price: &Price) -> bool {
    Usdc::checked_sum(price.lines.iter().map(|line| line.amount)) == Some(price.total)
}

#[test]
fn the_default_hour_costs_one_cent_and_a_common_one_less_than_ten() {
    assert_eq!(lease(SMALL, 60).total, Usdc(10_000));
    let common = lease(
        Size {
            cores: 4,
            memory_mb: 4096,
            disk_gb: 40,
        },
        60,
    );
    assert!(common.total < Usdc(100_000), "{}", common.total);
}

#[test]
fn a_price_shows_where_it_comes_from() {
    let expected = serde_json::json!({
        "total": "6000",
        "lines": [
            {"label": "Base fee", "quantity": "1", "unit": "lease", "amount": "2000"},
            {"label": "Cores", "quantity": "0.5", "unit": "core-hour", "amount": "2000"},
            {"label": "Memory", "quantity": "0.25", "unit": "GiB-hour", "amount": "800"},
            {"label": "Disk", "quantity": "4", "unit": "GiB-hour", "amount": "1200"},
        ],
    });
    assert_eq!(serde_json::to_value(lease(SMALL, 30)).unwrap(), expected);
}

#[test]
fn a_price_is_rounded_up_to_a_hundredth_of_a_cent_and_says_so() {
    let price = lease(SMALL, 1);
    // 2000 + 8000 / 60 = 2133.33
    assert_eq!(price.total, Usdc(2_200));
    assert_eq!(price.lines.last().unwrap().label, "Rounding");
    assert!(adds_up(&price));
}

#[test]
fn a_renewal_pays_the_call_fee_instead_of_the_base_fee() {
    let price = price_renew(&Tariff::default(), SMALL, 60).unwrap();
    assert_eq!(price.total, Usdc(9_000));
    assert_eq!(price.lines[0].label, "Renewal fee");
}

#[test]
fn a_call_costs_its_fee() {
    let price = price_call(&Tariff::default()).unwrap();
    assert_eq!(price.total, Usdc(1_000));
    assert_eq!(price.lines.len(), 1);
}

#[test]
fn an_amount_that_cannot_be_counted_is_an_error() {
    let dear = Tariff {
        core_hour: Usdc(u64::MAX),
        ..Tariff::default()
    };
    let huge = Size {
        cores: u32::MAX,
        memory_mb: u32::MAX,
        disk_gb: u32::MAX,
    };
    assert_eq!(price_lease(&dear, huge, u32::MAX), Err(Overflow));
    let fee = Tariff {
        call_fee: Usdc(u64::MAX),
        ..Tariff::default()
    };
    assert_eq!(price_call(&fee), Err(Overflow));
}

#[test]
fn a_partial_tariff_keeps_the_other_defaults() {
    let tariff: Tariff = serde_json::from_str(r#"{"callFee":"500"}"#).unwrap();
    assert_eq!(
        tariff,
        Tariff {
            call_fee: Usdc(500),
            ..Tariff::default()
        }
    );
    assert!(serde_json::from_str::<Tariff>(r#"{"calFee":"500"}"#).is_err());
}

prop_compose! {
    fn tariffs()(rates in prop::array::uniform5(0u64..1_000_000_000)) -> Tariff {
        let [base, core, memory, disk, call] = rates.map(Usdc);
        Tariff { base_fee: base, core_hour: core, memory_gib_hour: memory, disk_gib_hour: disk, call_fee: call }
    }
}

prop_compose! {
    fn sizes()(cores in 1u32..=64, memory_mb in 1u32..=1_000_000, disk_gb in 1u32..=10_000) -> Size {
        Size { cores, memory_mb, disk_gb }
    }
}

proptest! {
    #[test]
    fn the_lines_add_up_to_a_total_that_is_a_whole_step(
        tariff in tariffs(), size in sizes(), minutes in 0u32..100_000,
    ) {
        for price in [
            price_lease(&tariff, size, minutes).unwrap(),
            price_renew(&tariff, size, minutes).unwrap(),
            price_call(&tariff).unwrap(),
        ] {
            prop_assert!(adds_up(&price), "{price:?}");
            prop_assert_eq!(price.total.0 % ROUNDING.0, 0);
        }
    }

    #[test]
    fn more_of_anything_never_costs_less(
        tariff in tariffs(), size in sizes(), minutes in 1u32..100_000, more in 1u32..1_000,
    ) {
        let total = |size, minutes| price_lease(&tariff, size, minutes).unwrap().total;
        let renewal = |size, minutes| price_renew(&tariff, size, minutes).unwrap().total;
        let larger = [
            Size { cores: size.cores + more, ..size },
            Size { memory_mb: size.memory_mb + more, ..size },
            Size { disk_gb: size.disk_gb + more, ..size },
        ];
        for larger in larger {
            prop_assert!(total(larger, minutes) >= total(size, minutes));
            prop_assert!(renewal(larger, minutes) >= renewal(size, minutes));
        }
        prop_assert!(total(size, minutes + more) >= total(size, minutes));
        prop_assert!(renewal(size, minutes + more) >= renewal(size, minutes));
    }

    #[test]
    fn a_total_is_less_than_a_step_above_the_exact_price(
        tariff in tariffs(), size in sizes(), minutes in 0u32..100_000,
    ) {
        let hourly = u128::from(size.cores) * 1024 * u128::from(tariff.core_hour.0)
            + u128::from(size.memory_mb) * u128::from(tariff.memory_gib_hour.0)
            + u128::from(size.disk_gb) * 1024 * u128::from(tariff.disk_gib_hour.0);
        let exact = u128::from(tariff.base_fee.0) * 61_440 + hourly * u128::from(minutes);
        let total = u128::from(price_lease(&tariff, size, minutes).unwrap().total.0) * 61_440;
        prop_assert!(total >= exact && total < exact + 100 * 61_440);
    }
}
