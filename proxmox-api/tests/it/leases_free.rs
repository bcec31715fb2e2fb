//! What a signed-in wallet sees, and the leases that it ends, without paying.

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::TestApp,
};

async fn leased(app: &TestApp, buyer: &Buyer, name: &str) -> Value {
    let body = json!({"runtimeMinutes": 30, "diskGB": 2, "hostname": name});
    let leased = buyer.lease(app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    leased.body
}

async fn customer(app: &TestApp, number: u64) -> (Buyer, SignedIn) {
    let buyer = Buyer::funded(app, number).await;
    let session = buyer.sign_in(app).await;
    (buyer, session)
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn nothing_is_shown_or_ended_without_a_session() {
    let app = TestApp::start().await;
    let (get, delete) = (Method::GET, Method::DELETE);
    for (method, path) in [
        (&get, "/leases"),
        (&get, "/leases/lease_1"),
        (&get, "/payments"),
        (&delete, "/lease/40200"),
        (&delete, "/session"),
    ] {
        for token in ["", "Bearer ", "Bearer nonsense", "Basic abc"] {
            let headers = [("authorization", token.to_owned())];
            let answer = call(&app, method, path, None, &headers).await;
            assert_eq!(refusal(&answer), (401, "unauthorized"), "{path} {token}");
        }
    }
}

#[tokio::test]
async fn a_wallet_sees_its_own_leases_with_their_live_state() {
    let app = TestApp::start().await;
    let (buyer, session) = customer(&app, 1).await;
    let (other, others_session) = customer(&app, 2).await;
    let first = leased(&app, &buyer, "first").await;
    let second = leased(&app, &buyer, "second").await;
    leased(&app, &other, "foreign").await;

    let list = session.get(&app, "/leases").await;
    let names = |answer: &Answer| -> Vec<String> {
        let leases = answer.body["leases"].as_array().unwrap();
        leases
            .iter()
            .map(|lease| lease["hostname"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&list), ["second", "first"]);
    let path = format!("/leases/{}", first["leaseId"].as_str().unwrap());
    let one = session.get(&app, &path).await;
    assert_eq!(one.body, list.body["leases"][1]);
    assert_eq!(one.body["liveStatus"], "running");
    assert_eq!(one.body["paid"], first["price"]["total"]);
    assert!(one.body.get("password").is_none());

    assert_eq!(
        refusal(&others_session.get(&app, &path).await),
        (403, "forbidden")
    );
    let unknown = session.get(&app, "/leases/nothing").await;
    assert_eq!(refusal(&unknown), (404, "lease_not_found"));

    let second = format!("/lease/{}", second["ctid"]);
    assert_eq!(
        session.call(&app, Method::DELETE, &second).await.status,
        200
    );
    assert_eq!(names(&session.get(&app, "/leases").await), ["first"]);
    assert_eq!(
        names(&session.get(&app, "/leases?all=true").await),
        ["first", "second"]
    );
    assert_eq!(
        names(&session.get(&app, "/leases?status=destroyed").await),
        ["second"]
    );
    assert_eq!(
        names(&session.get(&app, "/leases?status=stopped").await),
        [""; 0]
    );
    for query in ["status=gone", "all=perhaps", "colour=red"] {
        let answer = session.get(&app, &format!("/leases?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
}

#[tokio::test]
async fn leases_are_shown_without_their_live_state_while_proxmox_is_away() {
    let app = TestApp::start().await;
    let (buyer, session) = customer(&app, 1).await;
    leased(&app, &buyer, "box").await;
    app.sim
        .faults()
        .inject(Fault::always(Operation::Any, FaultKind::Unreachable595));
    let list = session.get(&app, "/leases").await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    assert_eq!(list.body["leases"][0]["status"], "active");
    assert!(list.body["leases"][0].get("liveStatus").is_none());
}

#[tokio::test]
async fn an_owner_ends_a_lease_early_and_may_ask_twice() {
    let app = TestApp::start().await;
    let (buyer, session) = customer(&app, 1).await;
    let (_, stranger) = customer(&app, 2).await;
    let lease = leased(&app, &buyer, "box").await;
    let ctid = u32::try_from(lease["ctid"].as_u64().unwrap()).unwrap();
    let path = format!("/lease/{ctid}");

    let foreign = stranger.call(&app, Method::DELETE, &path).await;
    assert_eq!(refusal(&foreign), (403, "forbidden"));
    assert!(app.sim.container(ctid).is_some(), "nothing happened to it");

    let ended = session.call(&app, Method::DELETE, &path).await;
    assert_eq!(ended.status, 200, "{:?}", ended.body);
    assert_eq!(ended.body["leaseId"], lease["leaseId"]);
    assert_eq!(
        (&ended.body["status"], &ended.body["liveStatus"]),
        (&json!("destroyed"), &json!("destroyed"))
    );
    assert!(app.sim.container(ctid).is_none());
    let again = session.call(&app, Method::DELETE, &path).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &ended.body));

    let renewal = call(
        &app,
        &Method::POST,
        &format!("{path}/renew"),
        Some(&json!({"runtimeMinutes": 5})),
        &[],
    )
    .await;
    assert_eq!(
        refusal(&renewal),
        (404, "lease_not_found"),
        "nothing to be paid for"
    );
    for (path, expected) in [
        ("/lease/40999", (404, "lease_not_found")),
        ("/lease/7", (400, "invalid_request")),
        ("/lease/box", (400, "invalid_request")),
    ] {
        let answer = session.call(&app, Method::DELETE, path).await;
        assert_eq!(refusal(&answer), expected, "{path}");
    }
}

#[tokio::test]
async fn a_repeated_wish_never_ends_a_younger_lease_with_the_same_number() {
    let app = TestApp::with(&[("PVE_VMID_RANGE", "40200-40200")]).await;
    let (buyer, session) = customer(&app, 1).await;
    let (other, others_session) = customer(&app, 2).await;
    let first = leased(&app, &buyer, "first").await;
    let path = format!("/lease/{}", first["ctid"]);
    let meant = format!("{path}?leaseId={}", first["leaseId"].as_str().unwrap());
    assert_eq!(session.call(&app, Method::DELETE, &meant).await.status, 200);

    let second = leased(&app, &other, "second").await;
    assert_eq!(second["ctid"], first["ctid"], "the number is used again");
    let over = session.call(&app, Method::DELETE, &path).await;
    assert_eq!(refusal(&over), (410, "lease_ended"));
    let again = session.call(&app, Method::DELETE, &meant).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["leaseId"]),
        (200, &first["leaseId"])
    );
    assert_eq!(
        refusal(&others_session.call(&app, Method::DELETE, &meant).await),
        (403, "forbidden")
    );
    let live = others_session.get(&app, "/leases").await;
    assert_eq!(live.body["leases"][0]["liveStatus"], "running");
}

#[tokio::test]
async fn a_removal_that_proxmox_puts_off_is_finished_later() {
    let app = TestApp::start().await;
    let (buyer, session) = customer(&app, 1).await;
    let lease = leased(&app, &buyer, "box").await;
    let ctid = u32::try_from(lease["ctid"].as_u64().unwrap()).unwrap();
    let refused = Fault::once(Operation::Destroy, FaultKind::LockTimeout);
    app.sim.faults().inject(refused);
    let ended = session
        .call(&app, Method::DELETE, &format!("/lease/{ctid}"))
        .await;
    assert_eq!(ended.status, 202, "{:?}", ended.body);
    assert_eq!(ended.body["status"], "destroyed");
    app.clock.advance(std::time::Duration::from_secs(6));
    crate::support::until("the container to be gone", async || {
        app.sim.container(ctid).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn payments_come_in_pages_the_youngest_first() {
    let app = TestApp::start().await;
    let (buyer, session) = customer(&app, 1).await;
    let lease = leased(&app, &buyer, "box").await;
    for _ in 0..2 {
        let list = buyer.pay(&app, Method::GET, "/management/list", None).await;
        assert_eq!(list.status, 200);
    }
    let all = session.get(&app, "/payments").await;
    let payments = all.body["payments"].as_array().unwrap();
    let operations: Vec<_> = payments
        .iter()
        .map(|payment| payment["operation"].as_str().unwrap())
        .collect();
    assert_eq!(
        operations,
        [
            "GET /management/list",
            "GET /management/list",
            "POST /lease/container"
        ]
    );
    assert!(all.body.get("next").is_none());
    let oldest = &payments[2];
    assert_eq!(oldest["leaseId"], lease["leaseId"]);
    assert_eq!(oldest["state"], "settled");
    assert_eq!(oldest["amount"], lease["price"]["total"]);
    assert_eq!(oldest["payer"], buyer.wallet().to_checksum(None));
    assert_eq!(oldest["transaction"], lease["payment"]["transaction"]);
    assert!(
        oldest.get("explorerUrl").is_none(),
        "no explorer knows play money"
    );
    let seen = all.body.to_string();
    assert!(
        !seen.contains("signature") && !seen.contains("password"),
        "{seen}"
    );

    let page = session.get(&app, "/payments?limit=2").await;
    assert_eq!(page.body["payments"].as_array().unwrap(), &payments[..2]);
    let next = page.body["next"].as_str().unwrap();
    let rest = session
        .get(&app, &format!("/payments?limit=2&before={next}"))
        .await;
    assert_eq!(rest.body, json!({"payments": [oldest]}));

    let (_, stranger) = customer(&app, 2).await;
    assert_eq!(
        stranger.get(&app, "/payments").await.body,
        json!({"payments": []})
    );
    let peek = stranger
        .get(&app, &format!("/payments?before={next}"))
        .await;
    assert_eq!(peek.body, json!({"payments": []}));
    for query in ["limit=0", "limit=201", "limit=-1", "offset=3"] {
        let answer = session.get(&app, &format!("/payments?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
}
