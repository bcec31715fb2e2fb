//! Every request to the lease API says which customer it is for.

use serde_json::json;

use crate::{
    agent::{Agent, AgentResponse},
    bodies,
    customer::Customer,
    fake_lease_api::{FakeLeaseApi, GivenResponse, ReceivedRequest, challenge, done},
};

fn shop(asked: &ReceivedRequest) -> GivenResponse {
    match (asked.path.as_str(), asked.is_paid()) {
        ("/lease/quote", _) => (404, "{}".into()),
        (_, true) => done(&bodies::leased(json!({}))),
        (path, false) => challenge(path, 8900),
    }
}

#[tokio::test]
async fn the_address_of_the_caller_is_passed_on_with_the_secret_of_the_services() {
    let told = |shop: &FakeLeaseApi| {
        let calls = shop.asked();
        assert!(calls.iter().any(ReceivedRequest::is_paid));
        calls
    };
    let secret = "a secret that both services share";
    let settings = [("SERVICES_SECRET", secret), ("TRUSTED_PROXIES", "1")];
    for (settings, expected) in [(&settings[..], true), (&settings[1..], false)] {
        let shop = FakeLeaseApi::start(shop).await;
        let agent = Agent::with(&shop.url, None, settings).await;
        let message = json!({"message": "lease one for an hour"});
        let asked = agent.chat_from("1.2.3.4", message).await;
        let headers = Customer::new(1).sign(&asked.body["payment_request"]);
        let body = json!({"pending": asked.body["pending"], "payment_headers": headers});
        agent.chat_from("1.2.3.4", body).await;
        let stats = agent.http.get(format!("{}/stats/node", agent.url));
        AgentResponse::of(stats.header("x-forwarded-for", "1.2.3.4")).await;
        for call in told(&shop) {
            let header = |name: &str| call.headers.get(name).map(|value| value.to_str().unwrap());
            let (client, proof) = (
                header("x-infra402-client"),
                header("x-infra402-services-secret"),
            );
            match expected {
                true => assert_eq!(
                    (client, proof),
                    (Some("1.2.3.4"), Some(secret)),
                    "{}",
                    call.path
                ),
                false => assert_eq!((client, proof), (None, None), "{}", call.path),
            }
        }
    }
}

#[test]
fn a_secret_that_is_too_short_is_refused_and_not_shown() {
    use agent_api::config::Config;
    use service::env::Env;

    let settings = [("SERVICES_SECRET", "hunter2")];
    let problems = Config::from_env(Env::from_map(settings))
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("SERVICES_SECRET") && problems.contains("16"),
        "{problems}"
    );
    assert!(!problems.contains("hunter2"));
}
