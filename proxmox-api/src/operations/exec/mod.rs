//! `POST /management/exec/{ctid}`: a command in a container. The way into it is opened before the
//! payment is settled, so that a terminal in use or a stopped container costs nothing.

mod documentation;
mod words;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api_types::{
    ErrorCode, ExecRequest, ExecResponse, FieldError, GuestRoute, KeyScope, Price, Tariff,
};
use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pve::{ExecOutcome, OutputSink};
use serde_json::{Value, json};

use super::{answer, call_price, lease_in_path};
use crate::{
    error::ApiError,
    ids::{LeaseId, PaymentId},
    lease::{
        guest::{
            background,
            command::{self, CommandChannel, CommandFailure, GuestCommand, OpeningOptions},
            connect, text,
        },
        owner::access::active,
    },
    payment::{
        Delivery, Operation, OperationRequest, PaymentFlow, PaymentJob, RetryPolicy, SettledPayment,
    },
    payment_machine::Funding,
    paywall::body,
    state::App,
    store::{Change, Lease, Payment, StoreError, StoredAnswer},
    timestamp::timestamp,
};

/// How long a command may run where the request does not say.
const DEFAULT_SECONDS: u32 = 30;
/// How much of each output is returned, in bytes; the rest is counted.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// A command for a container.
#[derive(Debug)]
pub struct Exec {
    lease: Lease,
    command: GuestCommand,
    /// It goes on in the container after the answer.
    background: bool,
    /// Read from the payment's row, which has no command: only whether it was begun can be found.
    restored: bool,
    force: bool,
    /// Opened before the money moved; used once.
    channel: Mutex<Option<CommandChannel>>,
}

impl Operation for Exec {
    const NAME: &'static str = "exec";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/management/exec/{ctid}";
    const DESCRIPTION: &'static str = "A command in a leased container";
    const FLOW: PaymentFlow = PaymentFlow::SettleThenDeliver;
    const PRICE_VARIES: bool = false;
    const RETRY: RetryPolicy = RetryPolicy::Once;
    const KEY_SCOPE: Option<KeyScope> = Some(KeyScope::Exec);
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
        let stdin = input(request.stdin, request.stdin_base64.as_deref())?;
        let seconds = request.timeout_seconds.unwrap_or(DEFAULT_SECONDS);
        Ok(Self {
            lease: lease_in_path(app, call).await?,
            command: GuestCommand {
                script,
                stdin,
                env: request.env.into_iter().collect(),
                cwd: request.cwd,
                user: request.user,
                timeout: Duration::from_secs(seconds.into()),
                limit_bytes: OUTPUT_LIMIT,
            },
            background: request.background,
            restored: false,
            force: request.force,
            channel: Mutex::default(),
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

    fn arguments(&self) -> Value {
        json!({ "background": self.background })
    }

    /// A background command has its payment's id in the container, which begins it once however
    /// often it is asked to. What a command in the foreground did is kept nowhere.
    fn retry(arguments: &Value) -> RetryPolicy {
        if arguments["background"] == true {
            RetryPolicy::ForPayer
        } else {
            Self::RETRY
        }
    }

    async fn admit(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        // A request without a body is priced with an empty command, which must not run.
        if self.command.script.is_empty() {
            let field = FieldError::new("command", "must not be empty");
            return Err(ApiError::invalid(vec![field]));
        }
        active(app, &self.lease.lease_id, &job.payer).await?;
        Ok(())
    }

    async fn prepare(&self, app: &App, job: &PaymentJob) -> Result<(), ApiError> {
        let channel = self.open(app, job).await?;
        *self.held() = Some(channel);
        Ok(())
    }

    async fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> Result<Delivery, ApiError> {
        if self.restored {
            return self.look(app, job).await;
        }
        let held = self.held().take();
        let channel = match held {
            Some(channel) => channel,
            // The request came again after a failure: the lease may have ended in between.
            None => {
                active(app, &self.lease.lease_id, &job.payer).await?;
                self.open(app, job).await?
            }
        };
        job.progress.step("running");
        let task = channel.task().map(words::without_account);
        let route = channel.route();
        let id = &job.payment_id;
        let command_id = self.background.then(|| background::command_id(id));
        let command = match &command_id {
            Some(command_id) => background::begin_request(command_id, &self.command),
            None => self.command.clone(),
        };
        let sink = (job.progress.is_listened() && !self.background)
            .then(|| text::sink(job.progress.clone()));
        let begins = paid.begun
            || paid.funding == Funding::Credit
            || app.store.begin_performance(id, app.now()).await?;
        if !begins && !self.background {
            return Err(begun_before());
        }
        let outcome = match self.run(app, job, channel, command, sink).await {
            Ok(outcome) => outcome,
            // Only a lost connection leaves open whether it ran.
            Err(failure) if failure.may_have_run => {
                return Err(naming(failure.error, command_id));
            }
            Err(failure) => {
                app.store.take_performance_back(id).await?;
                return Err(failure.error);
            }
        };
        if self.background && outcome.timed_out {
            let message = "The container did not say in time whether it has begun the command.";
            let error = ApiError::new(ErrorCode::HypervisorError, message).retry_after(5);
            return Err(naming(error, command_id));
        }
        if self.background && outcome.exit_code != 0 {
            app.store.take_performance_back(id).await?;
            return Err(not_begun(&outcome));
        }
        let data = json!({
            "exitCode": outcome.exit_code, "timedOut": outcome.timed_out, "stdoutBytes": outcome.stdout_bytes,
            "stderrBytes": outcome.stderr_bytes, "paymentId": job.payment_id, "background": self.background,
        });
        let answered = Answered {
            outcome,
            route,
            upid: task.unwrap_or_default(),
            command_id,
        };
        self.delivery(app, answered, data)
    }

    fn reveal(_app: &App, _payment_id: &PaymentId, stored: StoredAnswer) -> StoredAnswer {
        let Ok(mut response) = serde_json::from_str::<ExecResponse>(&stored.body) else {
            return stored;
        };
        response.output = format!("{}{}", response.stdout, response.stderr);
        answer(stored.status, &response).unwrap_or(stored)
    }

    async fn resume(app: &App, payment: &Payment) -> Result<Option<Self>, StoreError> {
        let arguments: Value = serde_json::from_str(&payment.arguments).unwrap_or_default();
        let (true, Some(lease_id)) = (arguments["background"] == true, &payment.lease_id) else {
            return Ok(None);
        };
        let lease = app.store.lease(lease_id).await?;
        Ok(lease.map(|lease| Self {
            lease,
            command: GuestCommand::default(),
            background: true,
            restored: true,
            force: false,
            channel: Mutex::default(),
        }))
    }
}

/// What ran, and by which way.
struct Answered {
    outcome: ExecOutcome,
    route: GuestRoute,
    upid: String,
    command_id: Option<String>,
}

/// The bytes for a command's standard input.
fn input(text: Option<String>, base64: Option<&str>) -> Result<Vec<u8>, ApiError> {
    match (text, base64) {
        (Some(text), _) => Ok(text.into_bytes()),
        (None, Some(base64)) => STANDARD.decode(base64).map_err(|_| {
            let field = FieldError::new("stdinBase64", "has to be base64");
            ApiError::invalid(vec![field])
        }),
        (None, None) => Ok(Vec::new()),
    }
}

/// A command is never run again for a payment: what the first run did cannot be known.
fn begun_before() -> ApiError {
    let message = "The command was begun before and may have run; it is not run again.";
    ApiError::new(ErrorCode::HypervisorError, message).with("mayHaveRun", true)
}

/// The same error, with the id under which a background command can be looked for.
fn naming(error: ApiError, command_id: Option<String>) -> ApiError {
    match command_id {
        Some(command_id) => error.with("commandId", command_id.as_str()).advise(format!(
            "look for it: GET /lease/{{lease}}/commands/{command_id}"
        )),
        None => error,
    }
}

/// The container could not begin a background command.
fn not_begun(outcome: &ExecOutcome) -> ApiError {
    let said = String::from_utf8_lossy(&outcome.stderr);
    tracing::info!(
        exit_code = outcome.exit_code,
        error = said.lines().next().unwrap_or_default(),
        "a container did not begin a background command"
    );
    let message =
        "The container could not begin the command: its disk is full or cannot be written.";
    ApiError::new(ErrorCode::LeaseConflict, message).advise("make room on its disk")
}

impl Exec {
    /// Runs the command. A request for a background command whose connection is lost is sent
    /// once more.
    async fn run(
        &self,
        app: &App,
        job: &PaymentJob,
        channel: CommandChannel,
        command: GuestCommand,
        sink: Option<OutputSink>,
    ) -> Result<ExecOutcome, CommandFailure> {
        if !self.background {
            return channel.run(command, sink).await;
        }
        match channel.run(command.clone(), None).await {
            Err(failure) if failure.may_have_run => {
                let channel = self.open(app, job).await.map_err(|error| CommandFailure {
                    error,
                    may_have_run: true,
                })?;
                let sent = channel.run(command, None).await;
                sent.map_err(|failure| CommandFailure {
                    may_have_run: true,
                    ..failure
                })
            }
            outcome => outcome,
        }
    }

    /// Finds out whether the container has begun the payment's background command.
    async fn look(&self, app: &App, job: &PaymentJob) -> Result<Delivery, ApiError> {
        let (id, command_id) = (&job.payment_id, background::command_id(&job.payment_id));
        let lease = active(app, &self.lease.lease_id, &job.payer).await?;
        let guest = connect::ssh_only(app, &lease).await?;
        if !background::was_begun(&guest, &command_id).await? {
            app.store.take_performance_back(id).await?;
            let message = "The container has not begun the command.";
            return Err(ApiError::new(ErrorCode::CommandNotFound, message));
        }
        let data = json!({"paymentId": id, "background": true, "found": true});
        let answered = Answered {
            outcome: ExecOutcome {
                stdout: Vec::new(),
                stderr: Vec::new(),
                stdout_bytes: 0,
                stderr_bytes: 0,
                exit_code: 0,
                timed_out: false,
                truncated: false,
            },
            route: GuestRoute::Ssh,
            upid: String::new(),
            command_id: Some(command_id),
        };
        self.delivery(app, answered, data)
    }

    /// The answer, with the event that is stored beside it.
    fn delivery(&self, app: &App, answered: Answered, event: Value) -> Result<Delivery, ApiError> {
        let response = self.response(answered, app.now());
        Ok(Delivery {
            changes: vec![Change::event(&self.lease.lease_id, "command_run", event)],
            ..answer(200, &response)?.into()
        })
    }

    async fn open(&self, app: &App, job: &PaymentJob) -> Result<CommandChannel, ApiError> {
        let options = OpeningOptions {
            needs_ssh: self.background,
            streamed: job.progress.is_listened() && !self.background,
            force: self.force,
        };
        command::open(app, &self.lease, &self.command, options).await
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<CommandChannel>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn response(&self, answered: Answered, now: i64) -> ExecResponse {
        let Answered {
            outcome,
            route,
            upid,
            command_id,
        } = answered;
        let ended = !outcome.timed_out && command_id.is_none();
        let (stdout, stdout_base64) = text::text(outcome.stdout, outcome.stdout_bytes);
        let (stderr, stderr_base64) = text::text(outcome.stderr, outcome.stderr_bytes);
        ExecResponse {
            ctid: self.lease.vmid.get(),
            upid,
            via: Some(route),
            command_id,
            // Filled in by `reveal`, so that the output is not stored twice.
            output: String::new(),
            stdout,
            stderr,
            stdout_base64,
            stderr_base64,
            stdout_bytes: outcome.stdout_bytes,
            stderr_bytes: outcome.stderr_bytes,
            exit_code: ended.then_some(outcome.exit_code),
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
