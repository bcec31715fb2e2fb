//! A leased container for tests of commands and consoles: its shell, its lease, a command, and the
//! customer's balance.

use pve_sim::{ShellMode, Sim, SimConfig, TerminalDefects};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer},
    support::TestApp,
};

/// The price of a call, atomic USDC.
pub const CALL: u64 = 1_000;

/// A customer with one running container.
pub struct Guest {
    pub app: TestApp,
    pub buyer: Buyer,
    pub ctid: u32,
}

/// A shell of this machine.
pub fn host_shell(name: &str) -> ShellMode {
    ShellMode::HostForTests(format!("/bin/{name}").into())
}

/// A POSIX shell that every Debian has.
pub fn plain_shell() -> ShellMode {
    host_shell("sh")
}

/// A service whose containers have this shell, behind a terminal proxy with all defects of the real
/// one.
pub async fn app(shell: ShellMode, more: &[(&str, &str)]) -> TestApp {
    behind(TerminalDefects::ALL, shell, more).await
}

/// A service whose containers have this shell, behind a terminal proxy with these defects.
pub async fn behind(
    terminal_defects: TerminalDefects,
    shell: ShellMode,
    more: &[(&str, &str)],
) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell,
        terminal_defects,
        ..SimConfig::default()
    };
    TestApp::on(Sim::start(config).await.unwrap(), more).await
}

impl Guest {
    /// A container with this shell.
    pub async fn with(shell: ShellMode, more: &[(&str, &str)]) -> Self {
        Self::of(app(shell, more).await).await
    }

    /// A container with the plain shell behind a terminal proxy with these defects.
    pub async fn behind(defects: TerminalDefects) -> Self {
        Self::of(behind(defects, plain_shell(), &[]).await).await
    }

    async fn of(app: TestApp) -> Self {
        let buyer = Buyer::funded(&app, 1).await;
        let ctid = lease(&app, &buyer, "box").await;
        Self { app, buyer, ctid }
    }

    /// A container with the plain shell.
    pub async fn plain() -> Self {
        Self::with(plain_shell(), &[]).await
    }

    pub fn exec_path(&self) -> String {
        format!("/management/exec/{}", self.ctid)
    }

    pub fn console_path(&self) -> String {
        format!("/management/console/{}", self.ctid)
    }

    /// Pays for a command and returns the response.
    pub async fn exec(&self, body: Value) -> Answer {
        self.buyer
            .pay(&self.app, Method::POST, &self.exec_path(), Some(body))
            .await
    }

    /// Runs a command that has to succeed, and returns its standard output.
    pub async fn output(&self, command: &str) -> String {
        let answer = self.exec(json!({ "command": command })).await;
        assert_eq!(answer.status, 200, "{command}: {:?}", answer.body);
        answer.body["stdout"].as_str().unwrap().to_owned()
    }

    pub async fn balance(&self) -> u64 {
        self.app.balance(self.buyer.wallet()).await
    }

    /// Sends a request that must be refused with this status and code, and must cost nothing.
    pub async fn refused(
        &self,
        status: u16,
        code: &str,
        call: impl Future<Output = Answer>,
    ) -> Answer {
        let before = self.balance().await;
        let answer = call.await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{:?}",
            answer.body
        );
        assert_eq!(self.balance().await, before, "{code} cost something");
        answer
    }
}

/// Leases a small container and returns its number.
pub async fn lease(app: &TestApp, buyer: &Buyer, hostname: &str) -> u32 {
    let body = json!({"runtimeMinutes": 30, "hostname": hostname});
    let leased = buyer.lease(app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    leased.body["ctid"].as_u64().unwrap().try_into().unwrap()
}
