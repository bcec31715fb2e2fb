//! The same paid calls on SQLite and on PostgreSQL, with one replica and two, on this machine and a
//! millisecond away. Services, database and customers share the cores of this machine, so that two
//! replicas have no more of them than one has. Therefore the bench also reports calls for each
//! second that a core worked for the services and the database, and the rate of two replicas that
//! are limited to a share of a core each, as if each had a small machine of its own.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    BenchSize, FAST, NO_SERVER, calls,
    connection::Connection,
    customer::{Customer, price_of_list},
    delay,
    figures::{figure, skip},
    load,
    postgres::Postgres,
    process::ProcessorTimes,
    quota::Quota,
    stage::BenchTestbed,
};

const LANES: usize = 64;
/// The round-trip time to a database on another machine.
const AWAY: Duration = Duration::from_millis(1);

/// Each limited replica's share of a core: so little that two of them, the database and the
/// customers together leave some of the machine's processor time unused.
const SHARE: f64 = 0.15;
/// Figures that have an aim and need PostgreSQL.
const ON_SERVER: [&str; 4] = [
    "PostgreSQL over SQLite",
    "paid calls, PostgreSQL 1 ms away, 1 replicas",
    LIMITED[0],
    LIMITED[1],
];
/// Figures that need limits on processor time as well.
const LIMITED: [&str; 2] = [
    "two limited replicas over one",
    "two limited replicas over one, 1 ms away",
];

pub async fn measure(extent: &BenchSize, server: Option<&Postgres>) {
    let sqlite = {
        let stage = BenchTestbed::start(FAST).await;
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
    let places = [
        ("PostgreSQL", server.port()),
        ("PostgreSQL 1 ms away", away),
    ];
    for (place, port) in places {
        let mut alone = None;
        for replicas in [1, 2] {
            let (calls, per_core) = on_server(extent, server, port, replicas, None)
                .await
                .unwrap();
            let name = format!("paid calls, {place}, {replicas} replicas");
            figure(&name, calls, "/s");
            figure(&format!("{name}, of a core"), per_core, "/s/core");
            alone.get_or_insert(calls);
        }
        if place == "PostgreSQL" {
            figure("PostgreSQL over SQLite", alone.unwrap() / sqlite, "times");
        }
    }
    for ((place, port), ratio) in places.into_iter().zip(LIMITED) {
        let mut seen = Vec::new();
        for replicas in [1, 2] {
            match on_server(extent, server, port, replicas, Some(SHARE)).await {
                Ok((calls, _)) => seen.push(calls),
                Err(error) => {
                    skip(ratio, &format!("no limit on processor time: {error}"));
                    break;
                }
            }
            let name = format!("paid calls, {place}, {replicas} replicas of {SHARE} core");
            figure(&name, seen[replicas - 1], "/s");
        }
        if let [one, two] = seen[..] {
            figure(ratio, two / one, "times");
        }
    }
}

/// The round trips of a call to a database that is far away. The demo's ledger adds two, which a
/// facilitator does not.
async fn round_trips(extent: &BenchSize, server: &Postgres) {
    const FAR: Duration = Duration::from_millis(25);
    let (port, database) = (delay::before(server.port(), FAR), server.empty());
    let url = format!("postgres://postgres@localhost:{port}/{database}?sslmode=disable");
    let stage = BenchTestbed::with_database(FAST, &url).await;
    let price = price_of_list(&stage).await;
    let customer = Customer::new(&stage).await;
    let mut connection = Connection::open(&stage.address).await;
    let mut spent = Vec::new();
    for request in customer.signed_lists(&stage, &price, 20 + extent.looks) {
        let start = Instant::now();
        assert_eq!(connection.ask(&request).await.status, 200);
        spent.push(start.elapsed());
    }
    // Each connection prepares a statement at its first use.
    let mut spent = spent.split_off(20);
    spent.sort();
    let trips = spent[spent.len() / 2].as_secs_f64() / FAR.as_secs_f64();
    figure("round trips of a paid call, with the demo's two", trips, "");
}

/// Calls a second, and calls a second that one core worked for the services and the database, on an
/// empty database behind `port`; each replica has `share` of a core, or what it can get.
///
/// # Errors
///
/// A replica cannot be limited here.
async fn on_server(
    extent: &BenchSize,
    server: &Postgres,
    port: u16,
    replicas: usize,
    share: Option<f64>,
) -> io::Result<(f64, f64)> {
    let database = server.empty();
    let url = format!("postgres://postgres@localhost:{port}/{database}?sslmode=disable");
    // Before the processes, because the first declared value is dropped last.
    let mut quotas = Vec::new();
    let mut stages = vec![BenchTestbed::with_database(FAST, &url).await];
    while stages.len() < replicas {
        let replica = stages[0].replica(&url).await;
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
    // The first calls open connections and prepare statements.
    load::apply_to(&stages, first).await;
    for (stage, share) in stages.iter().zip(share.into_iter().cycle()) {
        quotas.push(Quota::on(stage.service.pid(), share)?);
    }
    let before = ProcessorTimes::of_family(server.pid());
    let cost = load::apply_to(&stages, signed).await;
    let database = ProcessorTimes::of_family(server.pid()).since(&before);
    assert!(cost.answers.iter().all(|status| *status == 200));
    let work = cost.processor + database;
    let per_core = cost.answers.len() as f64 / work.as_secs_f64();
    Ok((cost.per_second(), per_core))
}
