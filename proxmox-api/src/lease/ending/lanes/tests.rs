use std::{
    cell::RefCell,
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::{Instant, sleep};

use super::*;

const STOPS: usize = 3;

fn fixed(stops: usize, removals: usize) -> LaneCapacity {
    let [stops, removals] = [stops, removals].map(|places| watch::channel(places).1);
    LaneCapacity { stops, removals }
}

fn places() -> LaneCapacity {
    fixed(STOPS, 1)
}

fn lane(node: &str, task: LaneTask) -> NodeLane {
    let node = node.parse().unwrap();
    NodeLane { node, task }
}

fn stops(node: &str, numbers: std::ops::Range<u32>) -> Vec<(NodeLane, LeaseId)> {
    let of_number = |number| {
        (
            lane(node, LaneTask::Stop),
            format!("{node}-{number}").into(),
        )
    };
    numbers.map(of_number).collect()
}

/// Begins queued work that takes `lasts`. Returns the leases that were begun.
fn begin(lanes: &mut Lanes<()>, lasts: Duration) -> Vec<String> {
    let begun = RefCell::new(Vec::new());
    lanes.start(|lease_id| {
        begun.borrow_mut().push(lease_id.to_string());
        sleep(lasts)
    });
    let mut begun = begun.into_inner();
    begun.sort();
    begun
}

#[tokio::test(start_paused = true)]
async fn what_falls_due_during_other_work_begins_at_once_and_the_rest_as_places_get_free() {
    let mut lanes = Lanes::new(places());
    lanes.refill(stops("a", 0..2));
    assert_eq!(begin(&mut lanes, Duration::from_secs(8)), ["a-0", "a-1"]);
    sleep(Duration::from_secs(1)).await;
    lanes.refill(stops("a", 0..6));
    assert_eq!(begin(&mut lanes, Duration::from_secs(5)), ["a-2"]);
    assert_eq!(lanes.waiting(), 3, "what is in hand does not wait as well");
    for next in ["a-3", "a-4", "a-5"] {
        let ended = lanes.changed().await;
        assert_eq!(ended.unwrap().outcome, Some(()));
        assert_eq!(begin(&mut lanes, Duration::from_secs(1)), [next]);
    }
    assert_eq!(lanes.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn stops_removals_and_nodes_have_places_of_their_own() {
    let mut lanes = Lanes::new(places());
    let mut work = stops("a", 0..10);
    work.extend(
        (0..10).map(|number| (lane("a", LaneTask::Remove), format!("gone-{number}").into())),
    );
    work.extend(stops("b", 0..10));
    lanes.refill(work);
    let begun = begin(&mut lanes, Duration::from_secs(1_000_000));
    assert_eq!(begun, ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2", "gone-0"]);
}

#[tokio::test(start_paused = true)]
async fn fewer_places_cut_nothing_off_and_more_are_used_at_once() {
    let (stops, watched) = watch::channel(2);
    let mut lanes = Lanes::new(LaneCapacity {
        stops: watched,
        ..places()
    });
    lanes.refill(self::stops("a", 0..9));
    assert_eq!(begin(&mut lanes, Duration::from_secs(5)), ["a-0", "a-1"]);
    stops.send_replace(1);
    assert_eq!(lanes.changed().await, None, "the number has changed");
    assert_eq!(begin(&mut lanes, Duration::ZERO), [""; 0]);
    lanes.changed().await.expect("one has ended");
    assert_eq!(begin(&mut lanes, Duration::ZERO), [""; 0]);
    lanes.changed().await.expect("the other has ended");
    assert_eq!(begin(&mut lanes, Duration::from_secs(5)), ["a-2"]);
    stops.send_replace(3);
    assert_eq!(lanes.changed().await, None);
    assert_eq!(begin(&mut lanes, Duration::ZERO), ["a-3", "a-4"]);
}

#[tokio::test(start_paused = true)]
async fn slow_work_gives_its_place_back_but_not_without_end() {
    let mut lanes = Lanes::new(places());
    let (hangs, mut begun) = (Duration::from_secs(1_000_000), 0);
    lanes.refill(stops("a", 0..100));
    let (start, mut most) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(600) {
        begun += begin(&mut lanes, hangs).len();
        let (all, slow) = lanes.in_progress();
        most = most.max(all - slow);
        tokio::select! {
            ended = lanes.changed() => assert_eq!(ended, None),
            () = sleep(Duration::from_secs(60)) => {}
        }
    }
    assert_eq!(most, STOPS);
    // Twelve are set aside, and three more are in their places.
    assert_eq!(begun, STOPS * (1 + SLOW_PER_SLOT));
}

#[tokio::test(start_paused = true)]
async fn work_that_breaks_off_is_told_and_its_place_is_free() {
    let mut lanes = Lanes::<()>::new(places());
    lanes.refill(stops("a", 0..1));
    lanes.start(|_| async { panic!("as a defect would") });
    let ended = lanes.changed().await.unwrap();
    assert_eq!((ended.lease_id.as_str(), ended.outcome), ("a-0", None));
    lanes.refill(stops("a", 0..1));
    assert_eq!(begin(&mut lanes, Duration::ZERO), ["a-0"]);
}

#[tokio::test]
async fn work_in_hand_is_cut_off_with_its_lanes() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let mut lanes = Lanes::<()>::new(places());
    lanes.refill(stops("a", 0..2));
    lanes.start(|_| {
        let ends = Ends(Arc::clone(&ended));
        async move {
            let _ends = ends;
            std::future::pending().await
        }
    });
    drop(lanes);
    tokio::time::timeout(Duration::from_secs(5), async {
        while ended.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_on_a_node_is_bounded_and_another_node_does_not_wait_for_it() {
    let now = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let start = Instant::now();
    let work = (0..30).map(|number| {
        let (now, most) = (&now, &most);
        let is_slow = number % 3 == 0;
        let node: NodeName = if is_slow { "slow" } else { "fast" }.parse().unwrap();
        let work = async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_secs(if is_slow { 30 } else { 1 })).await;
            now.fetch_sub(1, Ordering::SeqCst);
            (is_slow, start.elapsed())
        };
        (node, work)
    });
    let done = per_node(work, 4).await;
    let last = |slow| {
        done.iter()
            .filter(|one| one.0 == slow)
            .map(|one| one.1)
            .max()
    };
    assert_eq!(done.len(), 30);
    assert_eq!(most.load(Ordering::SeqCst), 8);
    assert_eq!(last(false), Some(Duration::from_secs(5)));
    assert_eq!(last(true), Some(Duration::from_secs(90)));
}

/// Ends of leases as they come on five real nodes: a shutdown takes two to ten seconds, of every
/// twentieth container twenty until it is forced down, and a removal three to five.
struct Load {
    ends: usize,
    over: Duration,
    hanging_node: Option<usize>,
}

/// When the work on a lease was due, and by how much it began later.
type Lateness = HashMap<(LeaseId, LaneTask), Duration>;

impl Load {
    fn node(number: usize) -> NodeName {
        format!("pve{}", number % 5).parse().unwrap()
    }

    fn lasts(&self, number: usize, task: LaneTask) -> Duration {
        if self.hanging_node == Some(number % 5) {
            return Duration::from_secs(3600);
        }
        // A spread without chance: the multiplier has no factor in common with the number of steps.
        let part = u64::try_from(number * 617 % 1000).unwrap();
        Duration::from_millis(match task {
            LaneTask::Stop if number % 20 == 7 => 20_800,
            LaneTask::Stop => 2_000 + part * 8,
            LaneTask::Remove => 3_000 + part * 2,
        })
    }

    /// Stops every lease and removes it right after that. Returns how late the work that began
    /// before `end` was.
    async fn run(&self, capacity: LaneCapacity, end: Duration) -> Lateness {
        let start = Instant::now();
        let mut due: Vec<(Instant, usize, LaneTask)> = (0..self.ends)
            .map(|number| {
                let part = number as f64 / self.ends as f64;
                (start + self.over.mul_f64(part), number, LaneTask::Stop)
            })
            .collect();
        let begun = RefCell::new(HashSet::new());
        let late = RefCell::new(Lateness::new());
        let mut lanes = Lanes::new(capacity);
        while start.elapsed() < end {
            let now = Instant::now();
            let ready = |one: &&(Instant, usize, LaneTask)| {
                one.0 <= now && !begun.borrow().contains(&(one.1, one.2))
            };
            let mut waiting: Vec<_> = due.iter().filter(ready).copied().collect();
            waiting.sort_by_key(|one| (one.0, one.1));
            let in_lane = |(_, number, task): (Instant, usize, LaneTask)| {
                let node = Self::node(number);
                (NodeLane { node, task }, format!("{number} {task:?}").into())
            };
            lanes.refill(waiting.into_iter().map(in_lane));
            lanes.start(|lease_id| {
                let (number, task) = lease_id.split_once(' ').unwrap();
                let number: usize = number.parse().unwrap();
                let task = if task == "Stop" {
                    LaneTask::Stop
                } else {
                    LaneTask::Remove
                };
                begun.borrow_mut().insert((number, task));
                let due = due.iter().find(|one| (one.1, one.2) == (number, task));
                late.borrow_mut()
                    .insert((lease_id.clone(), task), now - due.unwrap().0);
                let lasts = self.lasts(number, task);
                async move {
                    sleep(lasts).await;
                    (number, task)
                }
            });
            // The worker looks for due work at least every second.
            tokio::select! {
                () = sleep(Duration::from_secs(1)) => {}
                ended = lanes.changed() => {
                    let done = ended.and_then(|ended| ended.outcome);
                    if let Some((number, LaneTask::Stop)) = done {
                        due.push((Instant::now(), number, LaneTask::Remove));
                    }
                }
            }
        }
        late.into_inner()
    }
}

fn latest(late: &Lateness, task: LaneTask) -> Duration {
    let of_task = late.iter().filter(|((_, one), _)| *one == task);
    of_task.map(|(_, late)| *late).max().unwrap_or_default()
}

/// As many as PVE_ENDS_PER_NODE by default.
fn default() -> LaneCapacity {
    fixed(24, 12)
}

#[tokio::test(start_paused = true)]
async fn five_hundred_ends_in_a_minute_on_five_nodes_begin_within_ten_seconds_of_their_time() {
    let load = Load {
        ends: 500,
        over: Duration::from_secs(60),
        hanging_node: None,
    };
    let late = load.run(default(), Duration::from_secs(180)).await;
    assert_eq!(late.len(), 1000, "every lease is stopped and removed");
    for task in [LaneTask::Stop, LaneTask::Remove] {
        let latest = latest(&late, task);
        assert!(latest < Duration::from_secs(10), "{task:?}: {latest:?}");
    }
    // As few as there used to be for all nodes together.
    let late = load.run(fixed(2, 2), Duration::from_secs(600)).await;
    assert!(latest(&late, LaneTask::Stop) > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_delays_the_ends_of_no_other() {
    let load = Load {
        ends: 500,
        over: Duration::from_secs(60),
        hanging_node: Some(2),
    };
    let late = load.run(default(), Duration::from_secs(180)).await;
    let of_others = |((lease_id, task), late): (&(LeaseId, LaneTask), &Duration)| {
        let number: usize = lease_id.split(' ').next().unwrap().parse().unwrap();
        (number % 5 != 2).then_some((*task, *late))
    };
    let others: Vec<_> = late.iter().filter_map(of_others).collect();
    assert_eq!(others.len(), 800);
    let latest = others.iter().map(|(_, late)| *late).max().unwrap();
    assert!(latest < Duration::from_secs(10), "{latest:?}");
}
