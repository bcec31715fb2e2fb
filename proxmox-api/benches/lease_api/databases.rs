//! The same paid calls on SQLite and on PostgreSQL, with one replica and two, on this machine and a millisecond away. All of it,
//! the customers too, shares the cores of this machine, so that two replicas have no more of them than one has: beside the calls a
//! second there are those for each second that a core worked for the services and the database.

use std::time::{Duration, Instant};

use crate::{
    Extent, FAST, NO_SERVER, calls,
    connection::Connection,
    customer::{Customer, price_of_list},
    delay,
    figures::{figure, skip},
    load,
    postgres::Postgres,
    process,
    stage::Stage,
};

const LANES: usize = 64;
/// How long a question to a database on another machine takes.
const AWAY: Duration = Duration::from_millis(1);

/// Figures that have an aim and need PostgreSQL.
const ON_SERVER: [&str; 4] = [
    "PostgreSQL over SQLite",
    "two replicas over one",
    "paid calls, PostgreSQL 1 ms away, 1 replicas",
    "two replicas over one, 1 ms away",
];

pub async fn measure(extent: &Extent, server: Option<&Postgres>) {
    let sqlite = {
        let stage = Stage::start(FAST).await;
        calls::paid(&stage, LANES, extent.calls / 4).await;
        let cost = calls::paid(&stage, LANES, extent.calls).await;
        assert!(cost.answers.iter().all(|status| *status == 200));
        let per_core = cost.per_second_and_core();
        figure("paid calls, SQLite", cost.per_second(), "/s");
        figure("paid calls, SQLite, of a core", per_core, "/s/core");
        cost.per_second()
    };
    let Some(server) = server else {
        ON_SERVER.iter().for_each(|name| skip(name, NO_SERVER));
        return;
    };
    round_trips(extent, server).await;
    let away = delay::before(server.port(), AWAY);
    let mut seen = Vec::new();
    for (place, port) in [
        ("PostgreSQL", server.port()),
        ("PostgreSQL 1 ms away", away),
    ] {
        for replicas in [1, 2] {
            let database = server.empty();
            let url = format!("postgres://postgres@localhost:{port}/{database}?sslmode=disable");
            let (calls, per_core) = on_server(extent, server, &url, replicas).await;
            let name = format!("paid calls, {place}, {replicas} replicas");
            figure(&name, calls, "/s");
            figure(&format!("{name}, of a core"), per_core, "/s/core");
            seen.push(calls);
        }
    }
    let [here, two_here, away, two_away] = seen[..] else {
        return;
    };
    figure("PostgreSQL over SQLite", here / sqlite, "times");
    figure("two replicas over one", two_here / here, "times");
    figure("two replicas over one, 1 ms away", two_away / away, "times");
}

/// How often a call waits for a database that is far away; the demo's own ledger waits twice more, as no facilitator does.
async fn round_trips(extent: &Extent, server: &Postgres) {
    const FAR: Duration = Duration::from_millis(25);
    let (port, database) = (delay::before(server.port(), FAR), server.empty());
    let url = format!("postgres://postgres@localhost:{port}/{database}?sslmode=disable");
    let stage = Stage::with_database(FAST, &url).await;
    let price = price_of_list(&stage).await;
    let customer = Customer::new(&stage).await;
    let mut connection = Connection::open(&stage.address).await;
    let mut spent = Vec::new();
    for request in customer.signed_lists(&stage, &price, 20 + extent.looks) {
        let start = Instant::now();
        assert_eq!(connection.ask(&request).await.status, 200);
        spent.push(start.elapsed());
    }
    // Each connection prepares a statement when it meets it first.
    let mut spent = spent.split_off(20);
    spent.sort();
    let trips = spent[spent.len() / 2].as_secs_f64() / FAR.as_secs_f64();
    figure("round trips of a paid call, with the demo's two", trips, "");
}

/// Calls a second, and calls a second that one core worked for the services and the database.
async fn on_server(extent: &Extent, server: &Postgres, url: &str, replicas: usize) -> (f64, f64) {
    let mut stages = vec![Stage::with_database(FAST, url).await];
    while stages.len() < replicas {
        let replica = stages[0].replica(url).await;
        stages.push(replica);
    }
    let price = price_of_list(&stages[0]).await;
    let mut signed = Vec::new();
    let mut first = Vec::new();
    for (stage, _) in stages.iter().cycle().zip(0..LANES) {
        let customer = Customer::new(stage).await;
        let calls = extent.calls.div_ceil(LANES);
        first.push(customer.signed_lists(stage, &price, calls.div_ceil(4)));
        signed.push(customer.signed_lists(stage, &price, calls));
    }
    // The first calls pay for connections, and for the statements that are prepared on them.
    load::apply_to(&stages, first).await;
    let before = process::processor_time_of_family(server.pid());
    let cost = load::apply_to(&stages, signed).await;
    let database = process::processor_time_of_family(server.pid()).saturating_sub(before);
    assert!(cost.answers.iter().all(|status| *status == 200));
    let work = (cost.processor + database).max(Duration::from_millis(10));
    (
        cost.per_second(),
        cost.answers.len() as f64 / work.as_secs_f64(),
    )
}
