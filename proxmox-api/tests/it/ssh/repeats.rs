//! A process of the service ends while it works on a paid background command: the payment's next
//! request, or else the sweep, finds out what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proxmox_api::{
    operations::sweep::sweep,
    payment_machine::{NewState, PaymentEffect},
    store::PaymentState,
};
use reqwest::Method;
use serde_json::json;

use super::server::SshGuest;
use crate::{buyer::Signed, replicas::die, support::until};

/// The moment at which the process ends.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The command is stored as begun, and was not sent.
    BeforeSending,
    /// The container has begun it, which is not stored.
    AfterSending,
}

impl Moment {
    fn is(self, effect: &PaymentEffect) -> bool {
        match self {
            Self::BeforeSending => matches!(effect, PaymentEffect::Deliver),
            Self::AfterSending => {
                matches!(effect, PaymentEffect::Store(NewState::Answered(_)))
            }
        }
    }
}

impl SshGuest {
    async fn sign(&self, key: Option<&str>) -> Signed {
        let body = json!({"command": "echo once >>/srv/count", "background": true});
        let (app, path) = (&self.guest.app, self.guest.exec_path());
        let buyer = &self.guest.buyer;
        let signed = buyer.sign(app, Method::POST, &path, Some(body)).await;
        match key {
            Some(key) => signed.with_key(key),
            None => signed,
        }
    }

    /// Sends the request to a process that ends at this moment.
    async fn dies(&mut self, signed: &Signed, moment: Moment) {
        let dying = self.guest.app.beside().await;
        let reached = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&reached);
        dying.app.checkpoint.set(move |effect| {
            let (told, is_here) = (Arc::clone(&told), moment.is(effect));
            Box::pin(async move {
                if is_here {
                    told.store(true, Ordering::SeqCst);
                    std::future::pending::<()>().await;
                }
            })
        });
        let crashed = until("the moment of the end", async || {
            reached.load(Ordering::SeqCst).then_some(())
        });
        tokio::select! {
            biased;
            () = crashed => {}
            answer = signed.send(&dying) => panic!("{:?}", answer.body),
        }
        die(&self.guest.app, dying).await;
        self.guest.app.restart().await;
        self.session = self.guest.buyer.sign_in(&self.guest.app).await;
    }

    async fn runs(&self) -> String {
        self.guest.output("cat /srv/count 2>/dev/null; true").await
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_command_whose_sending_was_cut_off_runs_once_when_the_request_comes_again() {
    for moment in [Moment::BeforeSending, Moment::AfterSending] {
        let mut ssh = SshGuest::start().await;
        let signed = ssh.sign(Some("purchase-90aa3e41b7d25c08")).await;
        ssh.dies(&signed, moment).await;
        for _ in 0..2 {
            let answer = signed.send(&ssh.guest.app).await;
            assert_eq!(answer.status, 200, "{moment:?}: {:?}", answer.body);
            let id = answer.body["commandId"].as_str().unwrap();
            ssh.until_ended(id).await;
            assert_eq!(ssh.runs().await, "once\n", "{moment:?}");
        }
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_command_that_is_not_asked_for_again_is_looked_for_and_owed_only_if_it_did_not_run() {
    for (moment, runs) in [
        (Moment::BeforeSending, ""),
        (Moment::AfterSending, "once\n"),
    ] {
        let mut ssh = SshGuest::start().await;
        let signed = ssh.sign(None).await;
        ssh.dies(&signed, moment).await;
        let app = &ssh.guest.app;
        // Past the time in which a request without a key can be repeated.
        app.clock.advance(Duration::from_secs(11 * 60));
        let wallet = ssh.guest.buyer.wallet().into();
        // The work that the service began at its start may hold the payment meanwhile, and on a busy
        // machine a connection may take too long: the look is repeated.
        let mut looks = 0;
        let rows = until("the payment is over", async || {
            app.app.forget_guest(&ssh.lease_id);
            sweep(&app.app).await.unwrap();
            if looks % 10 == 0 && looks < 150 {
                app.clock.advance(Duration::from_secs(61));
            }
            looks += 1;
            let rows = app.app.store.payments_by_payer(&wallet, None, 99).await;
            let rows = rows.unwrap();
            (rows[0].state == PaymentState::Answered).then_some(rows)
        })
        .await;
        let owed = if runs.is_empty() { rows[0].amount } else { 0 };
        assert_eq!(
            (rows[0].state, rows[0].due),
            (PaymentState::Answered, owed),
            "{moment:?}"
        );
        let debts = app.app.store.debts_of(&rows[0].payment_id).await.unwrap();
        let reasons: Vec<_> = debts.iter().map(|debt| debt.reason.as_str()).collect();
        let expected: &[&str] = if runs.is_empty() {
            &["undelivered"]
        } else {
            &[]
        };
        assert_eq!(reasons, expected, "{moment:?}");
        assert_eq!(ssh.runs().await, runs, "{moment:?}");
    }
}
