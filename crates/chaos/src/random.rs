//! Every random choice of a campaign, from its seed: each actor has a stream of its own, so that
//! its choices do not depend on how fast the others run.

use alloy::primitives::{B256, keccak256};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// The stream of one actor.
pub struct SeededRandom(StdRng);

impl SeededRandom {
    /// The stream of the actor with this name.
    pub fn for_actor(seed: u64, actor: &str) -> Self {
        let digest = keccak256(format!("infra402 chaos {seed} {actor}"));
        Self(StdRng::from_seed(digest.0))
    }

    /// True with this chance, in percent.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.random_range(0..from.len())]
    }

    /// One of these, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(T, u32)]) -> T {
        let total: u32 = from.iter().map(|(_, weight)| weight).sum();
        let mut left = self.0.random_range(0..total);
        for (one, weight) in from {
            if left < *weight {
                return *one;
            }
            left -= weight;
        }
        from[0].0
    }

    /// 32 bytes.
    pub fn bytes(&mut self) -> B256 {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes);
        B256::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_give_the_same_stream_each_time() {
        let stream = |seed, name: &str| -> Vec<u64> {
            let mut random = SeededRandom::for_actor(seed, name);
            (0..20).map(|_| random.between(0, 1_000)).collect()
        };
        assert_eq!(stream(1, "killer"), stream(1, "killer"));
        assert_ne!(stream(1, "killer"), stream(2, "killer"));
        assert_ne!(stream(1, "killer"), stream(1, "node"));
    }
}
