//! In every order of events, with a crash before any effect: money moved if and only if it was
//! delivered or is owed.

use proptest::{prelude::*, test_runner::TestRng};

use super::super::*;
use super::world::World;

/// Things that happen before the world calms down.
const TURMOIL: u32 = 40;
/// Looks after which everything that can end has ended.
const LOOKS: u32 = 20;
/// After how many of them a person decides about what is left.
const PERSON_LOOKS_AT: u32 = 10;

/// The terms, whether something is prepared, and whether locks can be lost.
fn any_terms() -> impl Strategy<Value = (PaymentContext, bool, bool)> {
    let repeats = prop_oneof![
        Just(RetryPolicy::Resumed),
        Just(RetryPolicy::ForPayer),
        Just(RetryPolicy::Once)
    ];
    let ledgers = prop_oneof![
        Just((true, false)),
        Just((false, false)),
        Just((false, true))
    ];
    let kinds = (repeats, ledgers, any::<bool>(), any::<bool>());
    kinds.prop_map(
        |(retry, (has_chain, is_simulated), prepares, loses_locks)| {
            let terms = PaymentContext {
                funding: Funding::X402,
                retry,
                has_chain,
                is_simulated,
            };
            // What is made before it is paid for is finished by ourselves.
            (
                terms,
                prepares && retry == RetryPolicy::Resumed,
                loses_locks,
            )
        },
    )
}

fn live(world: &mut World) {
    let look = |world: &World, requester| PaymentEvent::Resume {
        requester,
        begun: world.truth.begun,
    };
    for _ in 0..TURMOIL {
        match world.below(14) {
            0 | 1 => world.request(),
            2 => world.run(look(world, Requester::Payer)),
            3 => world.run(look(world, Requester::Anyone)),
            4 | 5 => world.run(look(world, Requester::Service { late: false })),
            6 => world.third_party_settles(),
            7 => world.recheck(),
            8 => world.undo_abandoned(),
            9..=11 => world.resume(),
            12 => world.give_up_held(),
            _ => world.truth.is_over |= world.one_in(6),
        }
    }
    world.calm_down();
    for look_number in 0..LOOKS {
        // The payer has gone; the window ends, and every bound on waiting.
        world.truth.is_over |= look_number > 2;
        let late = look_number > 4;
        world.run(look(world, Requester::Service { late }));
        world.recheck();
        world.undo_abandoned();
        if look_number == PERSON_LOOKS_AT {
            world.decide();
        }
    }
}

fn judge(world: &World) -> Result<(), String> {
    let truth = &world.truth;
    let Some(state) = truth.state else {
        return Ok(());
    };
    let paid_for = truth.delivered.is_some() || truth.owed.is_some();
    let ended = matches!(state, Answered | Refused | Released);
    let machines: Vec<_> = truth.machines.iter().copied().collect();
    let wanted: Vec<_> = truth
        .delivered
        .filter(|_| world.prepares)
        .into_iter()
        .collect();
    let checks = [
        (ended, "it does not end"),
        (
            truth.moved == paid_for,
            "money and what it bought are not equal",
        ),
        (
            !(truth.delivered.is_some() && truth.owed.is_some()),
            "delivered and owed",
        ),
        (
            world.terms.retry != RetryPolicy::Once || truth.runs <= 1,
            "done twice",
        ),
        (
            truth.delivered.is_none() || truth.runs > 0,
            "answered and not done",
        ),
        (
            machines == wanted,
            "a machine for nothing, or none for money",
        ),
    ];
    match checks.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, broken)) => Err(format!("{broken}: {truth:?}\n{}", world.log.join("\n"))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn money_moved_if_and_only_if_it_was_delivered_or_is_owed(
        (terms, prepares, loses_locks) in any_terms(),
        seed in any::<[u8; 32]>(),
    ) {
        let rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let mut world = World::new(terms, (prepares, loses_locks), rng);
        live(&mut world);
        if let Err(broken) = judge(&world) {
            panic!("{terms:?}, prepares: {prepares}, loses locks: {loses_locks}: {broken}");
        }
    }
}
