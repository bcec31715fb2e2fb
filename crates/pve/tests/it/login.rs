//! Passwords: the ticket, its renewal, and the secrets that are never sent.

use pve::{Auth, Refusal};

use crate::mock::{Mock, MockResponse, client};

const VERSION: &str = r#"{"data":{"version":"9.0.11","release":"9.0","repoid":"x"}}"#;

fn ticket(number: usize) -> MockResponse {
    MockResponse::json(&format!(
        r#"{{"data":{{"username":"lease@pve","ticket":"PVE:lease@pve:{number}::a+/=","CSRFPreventionToken":"csrf{number}"}}}}"#
    ))
}

#[tokio::test]
async fn a_password_is_sent_once_and_its_ticket_from_then_on() {
    let mock = Mock::start(|_, seen| match seen.line.contains("/access/ticket") {
        true => ticket(1),
        false => MockResponse::json(VERSION),
    })
    .await;
    let client = client(&mock.url, Auth::password("lease@pve", "p w&d"));
    client.version().await.unwrap();
    client.version().await.unwrap();
    let seen = mock.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].body, "username=lease%40pve&password=p+w%26d");
    assert_eq!(seen[0].header("cookie"), None);
    for request in &seen[1..] {
        assert_eq!(
            request.header("cookie"),
            Some("PVEAuthCookie=PVE:lease@pve:1::a+/=")
        );
        assert_eq!(request.header("authorization"), None);
    }
}

#[tokio::test]
async fn an_expired_ticket_is_replaced_once_for_all_concurrent_calls() {
    let mock = Mock::start(|position, seen| {
        if seen.line.contains("/access/ticket") {
            return ticket(if position == 0 { 1 } else { 2 });
        }
        match seen.header("cookie").unwrap().contains(":1:") {
            true => MockResponse::status("401 permission denied - invalid PVE ticket", ""),
            false => MockResponse::json(VERSION),
        }
    })
    .await;
    let client = client(&mock.url, Auth::password("lease@pve", "x"));
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.version().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let logins = mock
        .seen()
        .iter()
        .filter(|s| s.line.contains("/access/ticket"))
        .count();
    assert_eq!(logins, 2);
}

#[tokio::test]
async fn a_ticket_that_is_refused_again_is_not_renewed_for_ever() {
    let mock = Mock::start(
        |position, seen| match seen.line.contains("/access/ticket") {
            true => ticket(position),
            false => MockResponse::status("401 No ticket", ""),
        },
    )
    .await;
    let error = client(&mock.url, Auth::password("lease@pve", "x"))
        .version()
        .await
        .unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::Unauthorized));
    assert_eq!(mock.seen().len(), 4);
}

#[tokio::test]
async fn a_wrong_password_and_a_second_factor_are_refusals_without_secrets() {
    let wrong = Mock::always(MockResponse::status("401 authentication failure", "")).await;
    let error = client(&wrong.url, Auth::password("lease@pve", "hush-hush"))
        .version()
        .await
        .unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::Unauthorized));
    assert!(!format!("{error:?}").contains("hush"));
    assert_eq!(
        wrong.seen().len(),
        1,
        "a refused login must not be repeated"
    );

    let factor = Mock::always(MockResponse::json(
        r#"{"data":{"ticket":"PVE:!tfa!x","CSRFPreventionToken":"c","NeedTFA":1,"username":"a@pve"}}"#,
    ))
    .await;
    let error = client(&factor.url, Auth::password("lease@pve", "x"))
        .version()
        .await
        .unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::SecondFactor), "{error}");
    assert!(error.to_string().contains("second factor"));
}

#[tokio::test]
async fn a_writing_call_by_ticket_carries_the_forgery_token() {
    let mock = Mock::start(|_, seen| match seen.line.contains("/access/ticket") {
        true => ticket(1),
        false => MockResponse::json(r#"{"data":null}"#),
    })
    .await;
    let client = client(&mock.url, Auth::password("lease@pve", "x"));
    client
        .update_config(
            &"pve".parse().unwrap(),
            "101".parse().unwrap(),
            &[("tags", "a")],
        )
        .await
        .unwrap();
    assert_eq!(mock.seen()[1].header("csrfpreventiontoken"), Some("csrf1"));
}
