//! The ledger: which transfers there are, and in which blocks. It is the truth that the facilitator
//! acts on, that the chain's node shows, with its faults, and that the checker reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, B256, keccak256};

use crate::{clock::CampaignClock, random::SeededRandom};

/// Milliseconds between two blocks.
const BLOCK: u64 = 2_000;
/// Blocks after its first one in which a transfer can still move.
const FINAL_AFTER_BLOCKS: u64 = 50;
/// Blocks before the campaign's first.
const BLOCKS_BEFORE: u64 = 1_000;

/// What happened on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// An authorization was carried out.
    Authorized,
    /// An authorization was taken back by its author.
    Canceled,
    /// An ordinary transfer, of no authorization.
    Plain,
}

/// Where it is on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPosition {
    /// The block's number.
    pub block: u64,
    /// The first log's place in the block; an authorization has two logs.
    pub log_index: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The transaction's hash.
    pub transaction: B256,
    /// What it is.
    pub kind: TransferKind,
    /// Who paid.
    pub from: Address,
    /// Who was paid.
    pub to: Address,
    /// Atomic units.
    pub value: u64,
    /// Of the authorization.
    pub nonce: B256,
    /// Unix seconds after which it cannot be mined any more.
    pub valid_before: u64,
    /// Where it is now; none while it waits for a block.
    pub place: Option<ChainPosition>,
    /// The block that will take it.
    due: u64,
    /// The first block that was to take it.
    first: u64,
}

/// Why a transfer is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferRefusal {
    /// Its window is not now.
    Window,
    /// The account has too little.
    Balance,
    /// Its nonce is used.
    NonceUsed,
}

struct LedgerState {
    transfers: Vec<Transfer>,
    balances: BTreeMap<Address, u64>,
    next_index: BTreeMap<u64, u64>,
    /// From this block on, this is the fork's number.
    forks: Vec<(u64, u64)>,
    random: SeededRandom,
}

/// The ledger.
pub struct Ledger {
    clock: Arc<CampaignClock>,
    genesis: u64,
    state: Mutex<LedgerState>,
}

impl Ledger {
    /// An empty one.
    pub fn new(clock: Arc<CampaignClock>, seed: u64) -> Self {
        let genesis = clock.millis() - BLOCKS_BEFORE * BLOCK;
        Self {
            clock,
            genesis,
            state: Mutex::new(LedgerState {
                transfers: Vec::new(),
                balances: BTreeMap::new(),
                next_index: BTreeMap::new(),
                forks: vec![(0, 0)],
                random: SeededRandom::for_actor(seed, "ledger"),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, LedgerState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.mine(&mut state);
        state
    }

    /// The newest block.
    pub fn head(&self) -> u64 {
        (self.clock.millis() - self.genesis) / BLOCK
    }

    /// A block's time, Unix seconds.
    pub fn time(&self, block: u64) -> u64 {
        (self.genesis + block * BLOCK) / 1000
    }

    /// A block's hash, which a reorganisation changes.
    pub fn hash(&self, block: u64) -> B256 {
        let state = self.state();
        let of_block = |(from, _): &&(u64, u64)| *from <= block;
        let fork = state.forks.iter().rev().find(of_block).map_or(0, |f| f.1);
        keccak256(format!("block {block} of fork {fork}"))
    }

    /// Gives an account money; one that was given none has none.
    pub fn fund(&self, account: Address, amount: u64) {
        self.state().balances.insert(account, amount);
    }

    /// What an account has.
    pub fn balance(&self, account: Address) -> u64 {
        self.state().balances.get(&account).copied().unwrap_or(0)
    }

    /// Whether this would be made now.
    ///
    /// # Errors
    /// Why not.
    pub fn examine(&self, wanted: &Transfer, valid_after: u64) -> Result<(), TransferRefusal> {
        self.examined(&self.state(), wanted, valid_after)
    }

    fn examined(
        &self,
        state: &LedgerState,
        wanted: &Transfer,
        valid_after: u64,
    ) -> Result<(), TransferRefusal> {
        let spent = |known: &Transfer| {
            known.kind != TransferKind::Plain
                && (known.from, known.nonce) == (wanted.from, wanted.nonce)
        };
        if wanted.kind != TransferKind::Plain && state.transfers.iter().any(spent) {
            return Err(TransferRefusal::NonceUsed);
        }
        let now = self.time(self.head() + 1);
        if now <= valid_after || now >= wanted.valid_before {
            return Err(TransferRefusal::Window);
        }
        let has = state.balances.get(&wanted.from).copied().unwrap_or(0);
        if has < wanted.value {
            return Err(TransferRefusal::Balance);
        }
        Ok(())
    }

    /// Sends a transfer, which a block takes after so many others.
    ///
    /// # Errors
    /// It is not made.
    pub fn send(
        &self,
        wanted: &Transfer,
        valid_after: u64,
        after: u64,
    ) -> Result<B256, TransferRefusal> {
        let mut state = self.state();
        self.examined(&state, wanted, valid_after)?;
        let number = state.transfers.len();
        let transaction = keccak256(format!("transaction {number} {}", wanted.nonce));
        let last = (wanted.valid_before.saturating_sub(1) * 1000 - self.genesis) / BLOCK;
        *state.balances.entry(wanted.from).or_default() -= wanted.value;
        *state.balances.entry(wanted.to).or_default() += wanted.value;
        state.transfers.push(Transfer {
            transaction,
            due: (self.head() + 1 + after).min(last),
            first: self.head() + 1 + after,
            place: None,
            ..wanted.clone()
        });
        Ok(transaction)
    }

    /// Puts what is due into blocks.
    fn mine(&self, state: &mut LedgerState) {
        let head = self.head();
        for at in 0..state.transfers.len() {
            let (due, waits) = (state.transfers[at].due, state.transfers[at].place.is_none());
            if !waits || due > head {
                continue;
            }
            let gap = state.random.between(0, 3);
            let next = state.next_index.entry(due).or_default();
            let log_index = *next + gap;
            *next = log_index + 2;
            state.transfers[at].place = Some(ChainPosition {
                block: due,
                log_index,
            });
        }
    }

    /// Undoes the newest blocks: what they held comes again, in another order, at once or some
    /// blocks later. How many transfers moved.
    pub fn reorganise(&self, blocks: u64) -> usize {
        let mut state = self.state();
        let head = self.head();
        // The service checks a transfer once more after five minutes. By then a reorganisation must
        // not move it any more, also for a node that lags by a minute or two.
        let is_final = |one: &&Transfer| one.first + FINAL_AFTER_BLOCKS <= head;
        let settled = state.transfers.iter().filter(is_final);
        let settled = settled.filter_map(|one| Some(one.place?.block)).max();
        let cut = head.saturating_sub(blocks).max(settled.unwrap_or(0));
        let fork = state.forks.len() as u64;
        state.forks.push((cut + 1, fork));
        state.next_index.retain(|block, _| *block <= cut);
        let mut moved = 0;
        for at in (0..state.transfers.len()).rev() {
            let Some(place) = state.transfers[at].place else {
                continue;
            };
            if place.block <= cut {
                continue;
            }
            moved += 1;
            let later = head + state.random.between(0, 4);
            let one = &mut state.transfers[at];
            one.place = None;
            // It is never lost: no later than its window allows.
            let last = (one.valid_before.saturating_sub(1) * 1000 - self.genesis) / BLOCK;
            one.due = later.min(last).max(cut + 1);
        }
        moved
    }

    /// Everything that is on the chain or will be.
    pub fn transfers(&self) -> Vec<Transfer> {
        self.state().transfers.clone()
    }

    /// The use of a nonce.
    pub fn find_by_nonce(&self, from: Address, nonce: B256) -> Option<Transfer> {
        let state = self.state();
        let is_it = |one: &&Transfer| {
            one.kind != TransferKind::Plain && (one.from, one.nonce) == (from, nonce)
        };
        state.transfers.iter().find(is_it).cloned()
    }
}

impl Transfer {
    /// One that is not sent yet.
    pub fn unsent(
        kind: TransferKind,
        from: Address,
        to: Address,
        value: u64,
        nonce: B256,
        valid_before: u64,
    ) -> Self {
        Self {
            transaction: B256::ZERO,
            kind,
            from,
            to,
            value,
            nonce,
            valid_before,
            place: None,
            due: 0,
            first: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reorganisation_moves_transfers_and_loses_none() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(CampaignClock::start(folder.path().join("clock"), 1).unwrap());
        let ledger = Ledger::new(Arc::clone(&clock), 1);
        let (from, to) = (Address::repeat_byte(1), Address::repeat_byte(2));
        ledger.fund(from, 1_000);
        let until = clock.seconds() + 300;
        let wanted = |number| {
            let nonce = B256::repeat_byte(number);
            Transfer::unsent(TransferKind::Authorized, from, to, 100, nonce, until)
        };
        for number in 0..5 {
            ledger.send(&wanted(number), 0, 0).unwrap();
            assert_eq!(
                ledger.send(&wanted(number), 0, 0),
                Err(TransferRefusal::NonceUsed)
            );
        }
        clock.advance(Duration::from_secs(10)).unwrap();
        let places = || -> Vec<_> { ledger.transfers().iter().map(|one| one.place).collect() };
        let before = places();
        assert!(before.iter().all(Option::is_some), "{before:?}");
        assert_eq!(ledger.reorganise(20), 5);
        clock.advance(Duration::from_secs(20)).unwrap();
        let after = places();
        assert!(after.iter().all(Option::is_some), "{after:?}");
        assert_ne!(before, after);
        assert_eq!((ledger.balance(from), ledger.balance(to)), (500, 500));
        clock.advance(Duration::from_secs(100)).unwrap();
        assert_eq!(ledger.reorganise(90), 0, "what is old stays where it is");
        assert_eq!(places(), after);
        // Its window is over.
        clock.advance(Duration::from_secs(300)).unwrap();
        assert_eq!(ledger.send(&wanted(9), 0, 0), Err(TransferRefusal::Window));
    }
}
