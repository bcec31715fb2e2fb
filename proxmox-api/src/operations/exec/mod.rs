//! `POST /management/exec/{ctid}`: a command in a leased container. The shell is opened before the
//! payment is settled, so that a terminal in use or a stopped container costs nothing.

mod output;
mod words;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api_types::{ErrorCode, ExecRequest, ExecResponse, FieldError, Price, Tariff};
use axum::http::Method;
use pve::{ExecOutcome, Shell};
use serde_json::json;

use super::{answer, call_price, lease_in_path};
use crate::{
    error::ApiError,
    ids::{LeaseId, PaymentId},
    lease::{container::locate, owner::access::active},
    openapi::{ABOUT_TERMINAL, Content, Documentation, Documented},
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    paywall::body,
    proxmox::first_contact,
    state::App,
    store::{Change, Lease, Payment, StoreError, StoredAnswer},
    timestamp::timestamp,
};

/// How long a command may run where the request does not say.
const DEFAULT_SECONDS: u32 = 30;
/// How much of each output is returned, in bytes; the rest is counted.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// How long to wait for other commands on the same container.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A command for a container.
#[derive(Debug)]
pub struct Exec {
    lease: Lease,
    script: String,
    seconds: u32,
    force: bool,
    /// Found before the money moved; used once.
    shell: Mutex<Option<Shell>>,
}

impl Operation for Exec {
    const NAME: &'static str = "exec";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/management/exec/{ctid}";
    const DESCRIPTION: &'static str = "A command in a leased container";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = false;
    const RETRY: RetryPolicy = RetryPolicy::Once;
    const NEEDS_BODY: bool = true;
    const MIN_SECONDS_LEFT: u64 = 60;

    async fn read(app: &App, call: OperationRequest<'_>) -> Result<Self, ApiError> {
        let limits = &app.config.limits;
        let request: ExecRequest = body::read(call.body, |request| limits.validate_exec(request))?;
        let script = words::script(&request.command, &request.extra_args);
        if script.len() > pve::exec::MAX_SCRIPT {
            let message = "are too long once they are quoted";
            return Err(ApiError::invalid(vec![FieldError::new(
                "extraArgs",
                message,
            )]));
        }
        Ok(Self {
            lease: lease_in_path(app, call).await?,
            script,
            seconds: request.timeout_seconds.unwrap_or(DEFAULT_SECONDS),
            force: request.force,
            shell: Mutex::default(),
        })
    }

    fn default_price(tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError> {
        call_price(tariff)
    }

    fn lease_id(&self) -> Option<LeaseId> {
        Some(self.lease.lease_id.clone())
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        // A request without a body is priced with an empty command, which must not run.
        if self.script.is_empty() {
            let field = FieldError::new("command", "must not be empty");
            return Err(ApiError::invalid(vec![field]));
        }
        active(app, &self.lease.lease_id, &job.payer).await?;
        Ok(())
    }

    async fn prepare(&self, app: &App, _job: &PaymentJob) -> Result<(), ApiError> {
        let shell = self.find_shell(app).await?;
        *self.held() = Some(shell);
        Ok(())
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        let held = self.held().take();
        let shell = match held {
            Some(shell) => shell,
            // The request came again after a failure: the lease may have ended in between.
            None => {
                active(app, &self.lease.lease_id, &job.payer).await?;
                self.find_shell(app).await?
            }
        };
        job.progress.step("running");
        let task = shell.task().map(words::without_account);
        let request = pve::ExecRequest {
            timeout: Duration::from_secs(self.seconds.into()),
            limit_bytes: OUTPUT_LIMIT,
            ..pve::ExecRequest::new(self.script.clone())
        };
        let sink = job
            .progress
            .is_listened()
            .then(|| output::sink(job.progress.clone()));
        let id = &job.payment_id;
        if !paid.begun && !app.store.begin_performance(id, app.now()).await? {
            return Err(begun_before());
        }
        let outcome = match shell.run(request, sink).await {
            Ok(outcome) => outcome,
            // Only a lost connection leaves open whether it ran.
            Err(error @ pve::ExecError::Lost(_)) => return Err(error.into()),
            Err(error) => {
                app.store.take_performance_back(id).await?;
                return Err(error.into());
            }
        };
        let data = json!({
            "exitCode": outcome.exit_code, "timedOut": outcome.timed_out, "stdoutBytes": outcome.stdout_bytes,
            "stderrBytes": outcome.stderr_bytes, "paymentId": job.payment_id,
        });
        let response = self.response(outcome, task.unwrap_or_default(), app.now());
        Ok(Delivery {
            changes: vec![Change::event(&self.lease.lease_id, "command_run", data)],
            ..answer(200, &response)?.into()
        })
    }

    fn reveal(_app: &App, _payment_id: &PaymentId, stored: StoredAnswer) -> StoredAnswer {
        let Ok(mut response) = serde_json::from_str::<ExecResponse>(&stored.body) else {
            return stored;
        };
        response.output = format!("{}{}", response.stdout, response.stderr);
        answer(stored.status, &response).unwrap_or(stored)
    }

    async fn resume(_app: &App, _payment: &Payment) -> Result<Option<Self>, StoreError> {
        Ok(None)
    }
}

/// A command is never run again for a payment: what the first run did cannot be known.
fn begun_before() -> ApiError {
    let message = "The command was begun before and may have run; it is not run again.";
    ApiError::new(ErrorCode::HypervisorError, message).with("mayHaveRun", true)
}

impl Exec {
    async fn find_shell(&self, app: &App) -> Result<Shell, ApiError> {
        let location = first_contact(locate::find_for_sale(app, &self.lease)).await?;
        let consoles = &app.proxmox.consoles;
        let shell = consoles.shell(&location.node, location.vmid, self.force, TERMINAL_TIMEOUT);
        Ok(shell.await?)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Shell>> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn response(&self, outcome: ExecOutcome, upid: String, now: i64) -> ExecResponse {
        let (stdout, stdout_base64) = output::text(outcome.stdout, outcome.stdout_bytes);
        let (stderr, stderr_base64) = output::text(outcome.stderr, outcome.stderr_bytes);
        ExecResponse {
            ctid: self.lease.vmid.get(),
            upid,
            // Filled in by `reveal`, so that the output is not stored twice.
            output: String::new(),
            stdout,
            stderr,
            stdout_base64,
            stderr_base64,
            stdout_bytes: outcome.stdout_bytes,
            stderr_bytes: outcome.stderr_bytes,
            exit_code: (!outcome.timed_out).then_some(outcome.exit_code),
            timed_out: outcome.timed_out,
            truncated: outcome.truncated,
            network_ready_at: self
                .lease
                .network_ready_at
                .filter(|at| *at > now)
                .map(timestamp),
        }
    }
}

impl Documented for Exec {
    fn documentation() -> Documentation {
        let said = "Linux box 6.8.12-4-pve x86_64 GNU/Linux\n";
        Documentation {
            id: "execCommand",
            tag: "Containers",
            details: "Runs in the container's shell as root, without input. With \
                `Accept: text/event-stream` the output is told as it comes. A container has one \
                session: while it is used, others are told to come back.",
            request: Some(Content::json(&ExecRequest {
                command: "uname -a".into(),
                ..ExecRequest::default()
            })),
            answered: "The command ended, or its time was over.",
            response: Content::json(&ExecResponse {
                ctid: 40200,
                upid: "UPID:pve:0002B5E1:0134A7C2:6AB32D80:vncproxy:40200::".into(),
                output: said.into(),
                stdout: said.into(),
                stderr: String::new(),
                stdout_base64: None,
                stderr_base64: None,
                stdout_bytes: said.len() as u64,
                stderr_bytes: 0,
                exit_code: Some(0),
                timed_out: false,
                truncated: false,
                network_ready_at: None,
            }),
            held: None,
            refusals: ABOUT_TERMINAL,
        }
    }
}
