//! What customers are told and refused before they buy, and what the operator is told.

use super::*;
use crate::support::until;

#[tokio::test]
async fn what_is_included_is_said_before_it_is_bought() {
    let body = json!({"runtimeMinutes": 30});
    for (gib, per_hour, included, sentence) in [
        (
            "3",
            json!(3),
            json!(3 * GIB / 2),
            ", with 3 GiB of sent traffic for each hour",
        ),
        ("0", Value::Null, Value::Null, ""),
    ] {
        let variables = [
            ("TRAFFIC_GIB_PER_HOUR", gib),
            ("ABUSE_CONTACT", "abuse@example.org"),
        ];
        let app = TestApp::with(&variables).await;
        let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await.body;
        assert_eq!(catalog["trafficGibPerHour"], per_hour);
        assert_eq!(catalog["abuseContact"], "abuse@example.org");
        for page in ["/llms.txt", "/docs", "/openapi.json"] {
            let answer = app
                .http
                .get(format!("{}{page}", app.url))
                .send()
                .await
                .unwrap();
            let text = answer.text().await.unwrap();
            assert!(text.contains("reported to abuse@example.org"), "{page}");
        }
        let quote = call(&app, &Method::POST, "/lease/quote", Some(&body), &[])
            .await
            .body;
        assert_eq!(quote["includedTraffic"], included);
        let asked = call(&app, &Method::POST, "/lease/container", Some(&body), &[])
            .await
            .body;
        let expected = format!("A Linux container for the time asked for{sentence}");
        assert_eq!(asked["accepts"][0]["description"], expected.as_str());
    }
}

#[tokio::test]
async fn a_contact_with_signs_of_markup_stays_text() {
    let contact = "<script>alert(1)</script> & \"Abuse\" <abuse@example.org>";
    let app = TestApp::with(&[("ABUSE_CONTACT", contact)]).await;
    let answer = app.http.get(format!("{}/docs", app.url)).send().await;
    let page = answer.unwrap().text().await.unwrap();
    assert!(page.contains("reported to &lt;script&gt;alert(1)&lt;/script&gt; &amp; "));
    assert!(!page.contains("<script>alert") && !page.contains("<abuse@"));
    let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await.body;
    assert_eq!(catalog["abuseContact"], contact);
}

#[tokio::test]
async fn without_an_amount_nothing_is_limited() {
    let app = cluster(&[("TRAFFIC_GIB_PER_HOUR", "0")]).await;
    let tenant = tenant(&app, 1).await;
    let before = tenant.net0(&app);
    tenant.sends(&app, 1_000_000 * GIB).await;
    assert_eq!(
        (tenant.step(&app).await.as_str(), tenant.net0(&app)),
        ("full", before)
    );
    assert!(
        tenant.usage(&app).await["traffic"]
            .get("included")
            .is_none()
    );
}

#[tokio::test]
async fn a_refused_wallet_buys_nothing_and_pays_nothing() {
    let (refused, other) = (Buyer::new(1), Buyer::new(2));
    let list = format!(
        "{:#x},0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        refused.wallet()
    );
    let app = TestApp::with(&[("REFUSED_WALLETS", &list)]).await;
    for buyer in [&refused, &other] {
        app.fund(buyer.wallet()).await;
    }
    let before = app.balance(refused.wallet()).await;
    let body = json!({"runtimeMinutes": 5, "diskGB": 2});
    let answer = refused.lease(&app, body.clone()).await;
    assert_eq!(refusal(&answer), (403, "forbidden"));
    assert_eq!(
        answer.body["error"]["message"],
        "The operator does not sell to this wallet; nothing was charged."
    );
    let list = refused
        .pay(&app, Method::GET, "/management/list", None)
        .await;
    assert_eq!(refusal(&list), (403, "forbidden"));
    assert_eq!(app.balance(refused.wallet()).await, before);
    assert_eq!(app.sim.containers().len(), 0);
    assert_eq!(other.lease(&app, body).await.status, 200);
}

/// The wallet's lease is served and ended as before, and no further purchase is made for it. Upper
/// and lower case in the list do not matter.
#[tokio::test]
async fn a_wallet_that_is_refused_later_keeps_what_it_has_and_buys_nothing_for_it() {
    let mut app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    let wallet = format!("{:x}", tenant.buyer.wallet()).to_uppercase();
    let list = format!("0x{}", wallet.trim_start_matches("0X"));
    app.restart_with(&[("REFUSED_WALLETS", &list)]).await;
    let before = app.balance(tenant.buyer.wallet()).await;
    for (path, body) in [
        (
            format!("/lease/{}/renew", tenant.ctid),
            json!({"runtimeMinutes": 60}),
        ),
        (
            format!("/management/exec/{}", tenant.ctid),
            json!({"command": "true"}),
        ),
        (format!("/management/console/{}", tenant.ctid), json!({})),
    ] {
        let refused = tenant
            .buyer
            .pay(&app, Method::POST, &path, Some(body))
            .await;
        assert_eq!(refusal(&refused), (403, "forbidden"), "{path}");
    }
    assert_eq!(app.balance(tenant.buyer.wallet()).await, before);
    let session = tenant.buyer.sign_in(&app).await;
    let usage = format!("/lease/{}/usage", tenant.ctid);
    assert_eq!(session.get(&app, &usage).await.status, 200);
    for to in ["stop", "start"] {
        let path = format!("/lease/{}/{to}", tenant.ctid);
        assert_eq!(session.call(&app, Method::POST, &path).await.status, 200);
    }
    let path = format!("/lease/{}", tenant.ctid);
    assert_eq!(session.call(&app, Method::DELETE, &path).await.status, 200);
}

#[tokio::test]
async fn the_operator_is_told_of_busy_disks_and_full_storages_while_they_last() {
    let app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    app.sim.set_pressure(tenant.ctid, "iofull", 51.0);
    let busy = async || metric(&app, "containers_under_pressure").await.unwrap();
    for _ in 0..2 {
        compare(&app).await;
        assert!(busy().await < 0.1, "not at once");
    }
    // Services of other tests in this process write the same gauge.
    until("the pressure to be told", async || {
        compare(&app).await;
        (busy().await > 0.9).then_some(())
    })
    .await;
    app.sim.set_pressure(tenant.ctid, "iofull", 50.0);
    compare(&app).await;
    assert!(busy().await < 0.1);

    let full = async || metric(&app, "storages_nearly_full").await.unwrap();
    assert!(full().await < 0.1);
    app.sim.set_storage_used("local-lvm", u64::MAX >> 8);
    until("the storage to be told", async || {
        compare(&app).await;
        (full().await > 0.9).then_some(())
    })
    .await;
    app.sim.set_storage_used("local-lvm", 0);
    compare(&app).await;
    assert!(full().await < 0.1);
}
