//! A database of release f1d8e30 with running leases: their markers lack the number and the time,
//! and their rows lack the hardware address.

use rusqlite::{Connection, params};
use serde_json::json;

use crate::{buyer::SignedIn, support::TestApp, upgrade::SCHEMA};

use super::{Customer, LATER, cluster, compare, node_of, other};

/// The same leases as that release stored them: its schema, its rows, its marker.
async fn downgraded(new: &TestApp, customers: &[Customer]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = Connection::open(folder.path().join("old.sqlite")).unwrap();
    for step in SCHEMA {
        rows.execute_batch(step).unwrap();
    }
    rows.pragma_update(None, "user_version", 3).unwrap();
    let path = new.database();
    rows.execute("ATTACH ?1 AS new", [path.to_str().unwrap()])
        .unwrap();
    rows.execute(
        "INSERT INTO installation SELECT * FROM new.installation",
        [],
    )
    .unwrap();
    for (table, keep) in [
        ("payments", "operation = 'lease_container'"),
        ("leases", "true"),
    ] {
        let sql = "SELECT name FROM pragma_table_info(?1)";
        let mut columns = rows.prepare(sql).unwrap();
        let columns: Vec<String> = columns
            .query_map(params![table], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let columns = columns.join(", ");
        let sql = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table} WHERE {keep}"
        );
        rows.execute(&sql, []).unwrap();
    }
    for customer in customers {
        let marker =
            json!({"infra402": {"lease": customer.lease_id, "instance": new.app.installation.id}});
        new.sim.set_description(customer.ctid, &marker.to_string());
    }
    folder
}

#[tokio::test]
async fn an_upgrade_harms_no_running_lease() {
    let before = cluster(&[]).await;
    let mut customers = Vec::new();
    for number in 0..4 {
        customers.push(Customer::of(&before, number, 600).await);
    }
    let folder = downgraded(&before, &customers).await;
    let sim = before.sim.clone();
    drop(before);
    // While the service was down, one was moved, one was cloned, one got a description, and one was
    // restored under another number.
    let [moved, cloned, noted, restored] = &customers[..] else {
        unreachable!("four customers")
    };
    let node = sim.container(moved.ctid).unwrap().node;
    sim.migrate(moved.ctid, other(&node));
    sim.clone_container(cloned.ctid, 41_000, Some("infra402"));
    let marker = sim.container(noted.ctid).unwrap().description.unwrap();
    sim.set_description(noted.ctid, &format!("asked Ann\n{marker}"));
    sim.restore(&sim.backup(restored.ctid), 41_001, Some("infra402"));
    let copies = (sim.container(41_000), sim.container(41_001));

    let file = folder.path().join("old.sqlite");
    let variables = [("DATABASE", file.to_str().unwrap()), ("PVE_NODE", "auto")];
    let app = TestApp::on(sim, &variables).await;
    let found = compare(&app).await;
    assert_eq!(found.foreign, [41_000, 41_001]);
    assert_eq!(
        (found.removed, found.orphans, found.lost),
        (vec![], vec![], vec![])
    );
    app.clock.advance(LATER);
    for customer in &mut customers {
        app.fund(customer.buyer.wallet()).await;
        let session: SignedIn = customer.buyer.sign_in(&app).await;
        customer.session = session;
        customer.is_served(&app).await;
        assert_eq!(
            customer.view(&app).await["node"],
            node_of(&app, customer.ctid)
        );
        let notes = app
            .sim
            .container(customer.ctid)
            .unwrap()
            .description
            .unwrap();
        assert!(
            notes.contains(&format!("\"vmid\":{}", customer.ctid)),
            "{notes}"
        );
    }
    for customer in &customers {
        customer.ends(&app).await;
    }
    assert_eq!(
        (app.sim.container(41_000), app.sim.container(41_001)),
        copies
    );
}
