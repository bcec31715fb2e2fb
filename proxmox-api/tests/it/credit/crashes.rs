//! A process ends before each effect of a purchase from credit. What was not answered is not charged,
//! and the same request with the same key is answered and charged once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use proxmox_api::operations::sweep::sweep;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Keyed, ON, books_balance, credit, keyed};
use crate::{
    buyer::{Answer, Buyer},
    guest::{self, plain_shell},
    replicas::{database, die},
    support::{TestApp, until},
};

const MOST_STEPS: u32 = 20;

type Request = (Method, String, Option<Value>);

fn requests(ctid: &Value) -> [Request; 4] {
    [
        (Method::GET, "/management/list".to_owned(), None),
        (Method::POST, format!("/management/console/{ctid}"), None),
        (
            Method::POST,
            format!("/lease/{ctid}/renew"),
            Some(json!({"runtimeMinutes": 30})),
        ),
        (
            Method::POST,
            "/lease/container".to_owned(),
            Some(json!({"runtimeMinutes": 30, "hostname": "other"})),
        ),
    ]
}

async fn send(app: &TestApp, keyed: &Keyed, request: &Request, case: &str) -> Answer {
    let (method, path, body) = request.clone();
    let key = case.replace(' ', "-");
    keyed
        .send(app, method, &path, body, &[("idempotency-key", &key)])
        .await
}

/// Sends a request to a process that ends before its effect `number`; the answer, if it never got
/// there.
async fn crash(
    app: &mut TestApp,
    keyed: &Keyed,
    request: &Request,
    (number, case): (u32, &str),
) -> Option<Answer> {
    let dying = app.beside().await;
    let (reached, seen) = (Arc::new(AtomicBool::new(false)), AtomicU32::new(0));
    let here = Arc::clone(&reached);
    dying.app.checkpoint.set(move |_| {
        let (here, stops) = (
            Arc::clone(&here),
            seen.fetch_add(1, Ordering::SeqCst) == number,
        );
        Box::pin(async move {
            if stops {
                here.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
        })
    });
    let crashed = until("the crash", async || {
        reached.load(Ordering::SeqCst).then_some(())
    });
    let answer = tokio::select! {
        biased;
        () = crashed => None,
        answer = send(&dying, keyed, request, case) => Some(answer),
    };
    die(app, dying).await;
    app.restart().await;
    answer
}

/// Every request at every step; how many steps the longest has.
async fn every_step(url: Option<String>) -> u32 {
    let mut variables = vec![ON];
    variables.extend(url.as_deref().map(|url| ("DATABASE", url)));
    let mut app = guest::app(plain_shell(), &variables).await;
    let buyer = Buyer::new(1);
    let mut most = 0;
    let keyed = keyed(&app, &buyer, 10_000_000, json!({})).await;
    let ctid = keyed.lease(&app, 30).await.body["ctid"].clone();
    for (which, request) in requests(&ctid).iter().enumerate() {
        for number in 0..MOST_STEPS {
            let case = format!("request {which}, step {number}");
            let (before, _) = credit(&app, &buyer).await;
            let answer = crash(&mut app, &keyed, request, (number, &case)).await;
            let is_over = answer.is_some();
            // Past the sweep, which gives back what is held.
            app.clock.advance(Duration::from_secs(61));
            sweep(&app.app).await.unwrap();
            let (now, held) = credit(&app, &buyer).await;
            assert_eq!(held, 0, "{case}");
            if !is_over {
                assert_eq!(now, before, "{case}: charged without an answer");
            }
            books_balance(&app).await;
            let told = until("the purchase to end", async || {
                let answer = send(&app, &keyed, request, &case).await;
                (answer.status != 409 && answer.status.as_u16() < 500).then_some(answer)
            })
            .await;
            assert_eq!(told.status, 200, "{case}: {:?}", told.body);
            let charged = told.headers["credit-charged"].to_str().unwrap();
            let charged: u64 = charged.parse().unwrap();
            assert_eq!(credit(&app, &buyer).await, (before - charged, 0), "{case}");
            books_balance(&app).await;
            if which == 3 {
                let session = buyer.sign_in(&app).await;
                let path = format!("/lease/{}", told.body["ctid"]);
                assert!(
                    session
                        .call(&app, Method::DELETE, &path)
                        .await
                        .status
                        .is_success()
                );
            }
            if is_over {
                most = most.max(number);
                break;
            }
            assert!(number + 1 < MOST_STEPS, "{case}");
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_charges_nothing_without_an_answer() {
    let most = every_step(None).await;
    assert!(most >= 4, "{most} effects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_replica_that_ends_at_any_step_charges_nothing_without_an_answer() {
    let most = every_step(Some(database().await)).await;
    assert!(most >= 4, "{most} effects");
}
