//! The routes about the commands in the background of a lease's container.

use api_types::{CommandList, CommandOutput, CommandSignal, CommandView};

use super::LeaseApi;
use crate::http::{HttpRequest, RequestError};

impl LeaseApi {
    /// The commands, the youngest first.
    ///
    /// # Errors
    /// The request failed; so with all methods below.
    pub async fn commands(&self, lease: &str) -> Result<CommandList, RequestError> {
        self.read(self.get(&format!("/lease/{lease}/commands")))
            .await
    }

    /// A command, and what it has printed from these offsets of its two outputs on.
    pub async fn command_output(
        &self,
        lease: &str,
        id: &str,
        (stdout, stderr): (u64, u64),
    ) -> Result<CommandOutput, RequestError> {
        let query = format!("stdoutOffset={stdout}&stderrOffset={stderr}");
        let path = format!("/lease/{lease}/commands/{id}?{query}");
        self.read(self.get(&path)).await
    }

    /// Sends a signal to all processes of a command.
    pub async fn signal_command(
        &self,
        lease: &str,
        id: &str,
        signal: CommandSignal,
    ) -> Result<CommandView, RequestError> {
        let path = format!("/lease/{lease}/commands/{id}?signal={}", signal.name());
        let request = HttpRequest::new("DELETE", self.url(&path));
        self.read(self.signed_in(request)).await
    }
}
