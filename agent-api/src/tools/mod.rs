//! The model's tools in one typed registry. From it come the schemas for the model, the reading of
//! the model's arguments, the request to the lease API, and the views of its response for the model
//! and the customer. Each tool is one type, so that its schema and its reader cannot differ.

mod access;
mod arguments;
mod commands;
mod content;
mod files;
mod guest;
mod lease;
mod ports;
mod power;
mod show;
mod stats;
#[cfg(test)]
mod tests;
mod usage;

use api_types::{SuspendedCall, SuspendedLease};
use axum::http::Method;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{conversation::ToolCall, turn::CallFingerprint, visible};

pub use content::{ByteRange, FileContent};
pub use show::{date_and_time, minutes, without_secrets};

/// The customer's part in a call: nothing, a payment or a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolClass {
    /// Nothing: it costs nothing and takes nothing away.
    Free,
    /// A payment, which only the customer's wallet can sign.
    Paid,
    /// A confirmation through the interface by a customer who is signed in, because the call ends
    /// something or changes files. A model may have been told to by the output of a container.
    Confirmed,
}

/// One request to the lease API, exactly as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPlan {
    /// The tool's name.
    pub tool: String,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The body, byte for byte.
    pub body: Option<String>,
    /// Whether the body is the content of a file and not JSON.
    #[serde(default)]
    pub body_is_content: bool,
    /// The part of a file that is read, if the response is its content.
    #[serde(default)]
    pub range: Option<ByteRange>,
    /// How long the lease API may take longer than for other calls, in seconds.
    #[serde(default)]
    pub more_seconds: u32,
    /// Whether the customer has to confirm it, although other calls of its tool need nothing.
    #[serde(default)]
    pub must_be_confirmed: bool,
    /// The running call, for the customer: `Leasing …`.
    pub title: String,
    /// The planned call, for the customer: `Lease …`.
    pub summary: String,
    /// Whether a password or key may be added to the body.
    pub takes_credential: bool,
    /// A path that gives the same result without payment to a wallet that is signed in.
    pub free_path: Option<String>,
    /// The whole command line that it runs, with every character visible.
    #[serde(default)]
    pub command: Option<String>,
    /// The kind of purchase, if a customer usually wants only one of it. A second one in a turn
    /// needs a new message of the customer.
    #[serde(default)]
    pub kind: Option<String>,
    /// The number of the container that the call is for.
    #[serde(default)]
    pub ctid: Option<u32>,
    /// The lease that the number stands for, if the wallet is signed in. Numbers are used again for
    /// later leases.
    #[serde(default)]
    pub lease: Option<SuspendedLease>,
    /// Whether the path takes the lease's id in place of the container's number.
    #[serde(default)]
    pub lease_in_path: bool,
}

impl CallPlan {
    /// The body as JSON: that of a file's content is a text.
    pub fn body_value(&self) -> Option<Value> {
        let body = self.body.as_deref()?;
        match self.body_is_content {
            true => Some(body.into()),
            false => serde_json::from_str(body).ok(),
        }
    }

    /// The call as the interface shows it.
    pub fn suspended(&self) -> SuspendedCall {
        SuspendedCall {
            tool: self.tool.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            body: self.body_value(),
            summary: self.summary.clone(),
            command: self.command.clone(),
            lease: self.lease.clone(),
        }
    }

    /// Identifies equal calls by the request as it will be sent, not by the model's spelling of it.
    pub fn mark(&self) -> CallFingerprint {
        let Self {
            method, path, body, ..
        } = self;
        // Bodies are serialized from our own types, so equal requests have equal bodies.
        let body = body.as_deref().unwrap_or_default();
        CallFingerprint {
            call: format!("{method} {path} {body}"),
            kind: self.kind.clone(),
        }
    }

    /// The same call bound to this lease, which its summary names. `now` is in Unix seconds.
    #[must_use]
    pub fn for_lease(mut self, lease: SuspendedLease, now: u64) -> Self {
        let number = format!("container {}", lease.ctid);
        // The last one: commands and paths of files come before it, and may have the words as well.
        if let Some(start) = self.summary.rfind(&number) {
            let named = format!(" ({})", show::named(&lease, now));
            self.summary.insert_str(start + number.len(), &named);
        }
        self.lease = Some(lease);
        self
    }
}

/// A tool.
trait Tool {
    /// Its name.
    const NAME: &'static str;
    /// Former names, which models may still use.
    const ALIASES: &'static [&'static str] = &[];
    /// The customer's part in a call: nothing, a payment or a confirmation.
    const CLASS: ToolClass;
    /// The description for the model.
    const DESCRIPTION: &'static str;
    /// The arguments that the model gives.
    type Arguments: DeserializeOwned + JsonSchema;
    /// The body of the lease API's response.
    type Response: DeserializeOwned;
    /// The summary of a response whose body cannot be read as [`Tool::Response`] and has no
    /// `message`.
    const UNREAD: &'static str = "The lease API's answer could not be read.";

    /// The request for these arguments.
    fn plan(arguments: Self::Arguments) -> CallPlan;

    /// The model's view of the response.
    fn view(response: &Self::Response) -> Value;

    /// The response in one sentence, for the customer.
    fn summary(response: &Self::Response) -> String;
}

/// A tool without its types, as the rest of the service uses it.
pub struct RegisteredTool {
    /// Its name.
    pub name: &'static str,
    /// Former names, which models may still use.
    pub aliases: &'static [&'static str],
    /// The customer's part in a call, unless its plan says more: nothing, a payment or a
    /// confirmation.
    pub class: ToolClass,
    /// The description for the model.
    pub description: &'static str,
    parameters: fn() -> Value,
    plan: fn(Value) -> Result<CallPlan, String>,
    view: fn(&Value) -> Value,
    summary: fn(&Value) -> String,
}

/// All tools.
pub static REGISTRY: [RegisteredTool; 24] = [
    register::<lease::LeaseContainer>(),
    register::<lease::RenewLease>(),
    register::<lease::QuoteLease>(),
    register::<power::StopContainer>(),
    register::<power::StartContainer>(),
    register::<lease::DestroyLease>(),
    register::<lease::ListManagedContainers>(),
    register::<guest::ExecContainerCommand>(),
    register::<guest::OpenContainerConsole>(),
    register::<stats::GetNodeStats>(),
    register::<stats::ListLxcStats>(),
    register::<usage::GetContainerUsage>(),
    register::<files::ListContainerFiles>(),
    register::<files::ReadContainerFile>(),
    register::<files::WriteContainerFile>(),
    register::<files::ChangeContainerFiles>(),
    register::<commands::ListContainerCommands>(),
    register::<commands::ReadContainerCommand>(),
    register::<commands::StopContainerCommand>(),
    register::<access::GetContainerAccess>(),
    register::<access::SetUpContainerSsh>(),
    register::<ports::ExposePort>(),
    register::<ports::ListPorts>(),
    register::<ports::ClosePort>(),
];

const fn register<T: Tool>() -> RegisteredTool {
    RegisteredTool {
        name: T::NAME,
        aliases: T::ALIASES,
        class: T::CLASS,
        description: T::DESCRIPTION,
        parameters: parameters_of::<T::Arguments>,
        plan: plan_of::<T>,
        view: view_of::<T>,
        summary: summary_of::<T>,
    }
}

/// Finds a tool by its name or a former name.
pub fn find(name: &str) -> Option<&'static RegisteredTool> {
    REGISTRY
        .iter()
        .find(|tool| tool.name == name || tool.aliases.contains(&name))
}

impl RegisteredTool {
    /// The JSON Schema of its arguments.
    pub fn parameters(&self) -> Value {
        (self.parameters)()
    }

    /// Reads the model's arguments and plans the request.
    ///
    /// # Errors
    /// The mistake in the arguments, in words for the model.
    pub fn plan(&self, call: &ToolCall) -> Result<CallPlan, String> {
        let mut plan = (self.plan)(arguments::read(&call.arguments)?)?;
        // They contain text that the model wrote, and customers read them before they sign.
        plan.title = visible::line(&plan.title);
        plan.summary = visible::line(&plan.summary);
        Ok(plan)
    }

    /// The customer's part in this call of it.
    pub fn class_of(&self, plan: &CallPlan) -> ToolClass {
        match plan.must_be_confirmed {
            true => ToolClass::Confirmed,
            false => self.class,
        }
    }

    /// The model's view of a response. Secrets are removed even if the tool's own view keeps them.
    pub fn view(&self, answer: &Value) -> Value {
        without_secrets((self.view)(answer))
    }

    /// A response in one sentence, for the customer.
    pub fn summary(&self, answer: &Value) -> String {
        (self.summary)(answer)
    }
}

fn parameters_of<A: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<A>()
        .to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
        object.remove("description");
        // Some servers require the member even if it is empty.
        object
            .entry("properties")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    schema
}

fn plan_of<T: Tool>(arguments: Value) -> Result<CallPlan, String> {
    serde_json::from_value::<T::Arguments>(arguments)
        .map(T::plan)
        .map_err(|error| format!("The arguments do not fit {}: {error}.", T::NAME))
}

fn view_of<T: Tool>(body: &Value) -> Value {
    T::Response::deserialize(body).map_or_else(
        |_| {
            // The error is not logged, because it may quote a value.
            tracing::warn!(
                tool = T::NAME,
                "a response of the lease API has another shape than the contract's"
            );
            show::readable(body)
        },
        |response| T::view(&response),
    )
}

fn summary_of<T: Tool>(body: &Value) -> String {
    if let Ok(response) = T::Response::deserialize(body) {
        return T::summary(&response);
    }
    let message = body["message"].as_str();
    message.map_or_else(|| T::UNREAD.to_owned(), visible::line)
}

/// A plan without a body, to which each tool adds its own members.
fn call(tool: &str, method: &Method, path: impl Into<String>) -> CallPlan {
    CallPlan {
        tool: tool.to_owned(),
        method: method.to_string(),
        path: path.into(),
        body: None,
        body_is_content: false,
        range: None,
        more_seconds: 0,
        must_be_confirmed: false,
        title: String::new(),
        summary: String::new(),
        takes_credential: false,
        free_path: None,
        command: None,
        kind: None,
        ctid: None,
        lease: None,
        lease_in_path: false,
    }
}

/// A plan without a body for a container.
fn call_for(tool: &str, method: &Method, ctid: u32, path: impl Into<String>) -> CallPlan {
    CallPlan {
        ctid: Some(ctid),
        ..call(tool, method, path)
    }
}

/// A plan without a body for a path below `/lease/{ctid}/` that takes the lease's id as well.
fn call_below(tool: &str, method: &Method, ctid: u32, rest: &str) -> CallPlan {
    CallPlan {
        lease_in_path: true,
        ..call_for(tool, method, ctid, format!("/lease/{ctid}/{rest}"))
    }
}

fn body_of(body: &impl Serialize) -> Option<String> {
    Some(serde_json::to_string(body).expect("bodies have string keys and whole numbers"))
}
