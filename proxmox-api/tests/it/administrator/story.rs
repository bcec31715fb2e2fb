//! A random sequence: an administrator moves, clones, restores, locks, re-pools, edits
//! descriptions, reboots and deletes while customers run commands, renew, stop, start and destroy.
//! At the end no customer's container was harmed, each lost result was reported, and leases and
//! payments are recorded correctly. A failure prints the seed of its sequence.

use std::time::Duration;

use crate::{
    replicas,
    support::{TestApp, until},
};
use futures_util::future::join_all;
use proxmox_api::store::PaymentState;
use pve_sim::ContainerSnapshot;

use super::{Customer, LATER, cluster, compare, node_of, other};

const CUSTOMERS: u64 = 6;
const ROUNDS: u64 = 60;
const POOL: Option<&str> = Some("infra402");
/// The first number of the administrator's copies.
const COPIES_FROM: u32 = 41_000;

/// A small random number generator, so that a seed determines the sequence.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's constants; the high bits are the random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A customer, and the events of its lease.
struct Life {
    customer: Customer,
    /// Play money before the first payment.
    funds: u64,
    deleted: bool,
    ended: bool,
    notes: String,
}

struct Story {
    app: TestApp,
    dice: Dice,
    lives: Vec<Life>,
    copies: Vec<ContainerSnapshot>,
}

impl Story {
    async fn begin(app: TestApp, seed: u64) -> Self {
        let mut lives = Vec::new();
        for number in 0..CUSTOMERS {
            let wallet = crate::buyer::Buyer::new(seed * 100 + number).wallet();
            app.fund(wallet).await;
            let funds = app.balance(wallet).await;
            let customer = Customer::of(&app, seed * 100 + number, 600).await;
            let notes = app.sim.container(customer.ctid).unwrap().description;
            lives.push(Life {
                customer,
                funds,
                deleted: false,
                ended: false,
                notes: notes.unwrap(),
            });
        }
        Self {
            app,
            dice: Dice(seed),
            lives,
            copies: Vec::new(),
        }
    }

    /// One change by the administrator to one container.
    fn administer(&mut self) {
        let kind = self.dice.below(14);
        let index = usize::try_from(self.dice.below(CUSTOMERS)).unwrap();
        let (sim, life) = (&self.app.sim, &mut self.lives[index]);
        let vmid = life.customer.ctid;
        let Some(found) = sim.container(vmid) else {
            return;
        };
        let copy = COPIES_FROM + u32::try_from(self.copies.len()).unwrap();
        match kind {
            0 | 1 => sim.migrate(vmid, other(&found.node)),
            2 => {
                sim.clone_container(vmid, copy, POOL);
                self.copies.push(sim.container(copy).unwrap());
            }
            3 => {
                sim.restore(&sim.backup(vmid), copy, POOL);
                self.copies.push(sim.container(copy).unwrap());
            }
            // It replaces the running container, which is stopped; its owner starts it again.
            4 => sim.restore(&sim.backup(vmid), vmid, POOL),
            5 => sim.set_lock(vmid, Some("backup")),
            6 => sim.set_lock(vmid, None),
            7 => sim.set_pool(vmid, None),
            8 => sim.set_pool(vmid, POOL),
            9 => sim.set_description(vmid, "the administrator's"),
            10 => sim.set_description(vmid, &format!("a note\n\n{}\nmore", life.notes)),
            11 => sim.set_node_online("pve2", found.node == "pve"),
            12 => {
                sim.set_node_online("pve2", true);
                sim.reboot_node(&found.node);
            }
            // At most two are deleted, and only after they were used.
            13 if index < 2 && !life.deleted => {
                sim.kill_container(vmid);
                sim.remove_container(vmid);
                life.deleted = true;
            }
            _ => {}
        }
    }

    /// All customers act concurrently, each in its own way.
    async fn live(&mut self) {
        let deeds: Vec<u64> = self.lives.iter().map(|_| self.dice.below(6)).collect();
        let (app, all) = (&self.app, &self.lives);
        let lived = all.iter().zip(&deeds).map(async |(life, deed)| {
            let customer = &life.customer;
            if customer.state(app).await != "active" {
                return;
            }
            match deed {
                0 | 1 => {
                    let ran = customer.exec(app).await;
                    // The result is the command's own, or the response says that it is lost.
                    if ran.status == 200 {
                        assert_eq!(ran.body["stdout"], "here\n");
                        assert_eq!(ran.body["exitCode"], 0);
                    } else {
                        assert!(ran.body["error"]["message"].is_string(), "{:?}", ran.body);
                    }
                }
                2 => drop(customer.console(app).await),
                3 => drop(customer.renew(app).await),
                4 => drop(customer.switch(app, "start").await),
                _ => drop(customer.switch(app, "stop").await),
            }
        });
        join_all(lived).await;
        // One customer destroys its lease.
        let last = all.last().unwrap();
        if self.dice.below(ROUNDS) == 0 && !last.ended {
            let ended = last.customer.destroy(app).await;
            assert!(
                matches!(ended.status.as_u16(), 200 | 202),
                "{:?}",
                ended.body
            );
            self.lives.last_mut().unwrap().ended = true;
        }
    }

    /// Undoes the administrator's changes, except for what was deleted.
    async fn heal(&self) {
        let app = &self.app;
        app.sim.set_node_online("pve2", true);
        for life in &self.lives {
            let vmid = life.customer.ctid;
            if app.sim.container(vmid).is_some() {
                app.sim.set_lock(vmid, None);
                app.sim.set_pool(vmid, POOL);
            }
        }
        app.clock.advance(LATER);
        compare(app).await;
    }

    async fn check(&self) {
        let app = &self.app;
        for life in &self.lives {
            let customer = &life.customer;
            if life.ended {
                continue;
            }
            if life.deleted {
                assert!(matches!(customer.state(app).await, "active" | "destroyed"));
                continue;
            }
            assert_eq!(customer.state(app).await, "active");
            let started = customer.switch(app, "start").await;
            assert_eq!(started.status, 200, "{}: {:?}", customer.ctid, started.body);
            customer.is_served(app).await;
            assert_eq!(
                customer.view(app).await["node"],
                node_of(app, customer.ctid)
            );
        }
        for copy in &self.copies {
            assert_eq!(
                app.sim.container(copy.vmid).as_ref(),
                Some(copy),
                "a copy was touched"
            );
        }
    }

    /// Money moved only where it was delivered or is owed.
    async fn books(&self) {
        for life in &self.lives {
            let wallet = life.customer.buyer.wallet();
            let store = &self.app.app.store;
            let all = store.payments_by_payer(&wallet.into(), None, 1000).await;
            let mut moved = 0;
            for summary in all.unwrap() {
                let row = store.payment(&summary.payment_id).await.unwrap().unwrap();
                match row.state {
                    PaymentState::Released | PaymentState::Refused => {}
                    PaymentState::Answered => {
                        moved += row.amount;
                        let status = row.answer.as_ref().unwrap().status;
                        assert!(status == 200 || summary.due == row.amount, "{row:?}");
                        assert!(summary.due <= row.amount, "{row:?}");
                    }
                    PaymentState::Settled => {
                        // Paid and not delivered: the same request can still ask for it, until it
                        // is owed.
                        assert!(row.answer.is_none());
                        moved += row.amount;
                    }
                    _ => panic!("{row:?}"),
                }
            }
            assert_eq!(self.app.balance(wallet).await, life.funds - moved);
        }
    }

    /// Every lease ends in time; only the administrator's copies are left.
    async fn end(&self) {
        let app = &self.app;
        until("all leases to be over", async || {
            app.clock.advance(Duration::from_secs(900));
            let counts = app.app.store.lease_counts().await.unwrap();
            let over = |(state, number): (&String, &u32)| state == "destroyed" || *number == 0;
            // A reconciliation notices the containers that were deleted.
            compare(app).await;
            counts.iter().all(over).then_some(())
        })
        .await;
        let left: Vec<u32> = app.sim.containers().iter().map(|one| one.vmid).collect();
        let copies: Vec<u32> = self.copies.iter().map(|one| one.vmid).collect();
        assert_eq!(left, copies);
        for life in self.lives.iter().filter(|life| life.deleted && !life.ended) {
            assert_eq!(life.customer.events(app, "container_lost").await, 1);
        }
    }
}

async fn story(app: TestApp, seed: u64) {
    eprintln!("seed {seed}");
    let mut story = Story::begin(app, seed).await;
    for round in 0..ROUNDS {
        story.administer();
        story.live().await;
        story.app.clock.advance(Duration::from_secs(20));
        if round % 4 == 3 {
            // While the node that answers is busy there may be no list to compare with.
            compare(&story.app).await;
        }
    }
    story.heal().await;
    story.check().await;
    story.books().await;
    story.end().await;
    story.books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_sequence_of_changes_harms_no_customer() {
    for seed in [1, 2] {
        story(cluster(&[("LEASE_GRACE_MINUTES", "5")]).await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn the_same_on_postgresql() {
    let url = replicas::database().await;
    let app = cluster(&[("DATABASE", &url), ("LEASE_GRACE_MINUTES", "5")]).await;
    story(app, 3).await;
}

#[test]
fn the_seeds_cover_every_change() {
    let mut dice = Dice(1);
    let mut seen = [false; 14];
    for _ in 0..1000 {
        seen[usize::try_from(dice.below(14)).unwrap()] = true;
    }
    assert_eq!(seen, [true; 14]);
}
