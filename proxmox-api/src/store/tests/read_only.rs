//! A server that takes no changes has made none: a standby that was the primary a moment ago, or
//! one whose disk is full.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_change_that_a_read_only_server_refuses_was_surely_not_made() {
    let place = Place::server().await;
    let store = place.open().await;
    let id: PaymentId = "pay-1".into();
    let Database::Server(server) = &place.database else {
        panic!("no server");
    };
    let (client, driver) = server.connect(|_| {}).await.unwrap();
    tokio::spawn(driver);
    let set = async |value: &str| {
        let shown = server.to_string();
        let database = shown.rsplit_once('/').unwrap().1;
        let sql = format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}");
        client.batch_execute(&sql).await.unwrap();
    };
    // For connections that are made from now on, as those are that send steps.
    set("on").await;
    let one = store.reserve(payment(&id, PAYER, "0x1"), 0).await;
    let nothing = serde_json::json!({});
    let events = [1, 2].map(|number| store.append_event(number, "subject", "kind", &nothing));
    let [two, three] = <[_; 2]>::try_from(futures_util::future::join_all(events).await).unwrap();
    for refused in [one.map(drop), two, three] {
        let error = refused.unwrap_err();
        assert!(!error.may_have_been_made(), "{error}");
    }
    client
        .batch_execute("SET default_transaction_read_only = off")
        .await
        .unwrap();
    set("off").await;
    let made = store.reserve(payment(&id, PAYER, "0x1"), 0).await.unwrap();
    assert_eq!(made, Reservation::Reserved { payment_id: id });
}
