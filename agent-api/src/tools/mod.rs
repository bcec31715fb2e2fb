//! The tools that the model has: one typed registry, from which come the schemas that the model is shown, the reading of its
//! arguments, the call of the lease API, and what the model and the customer see of the answer. A tool is one type; nothing about
//! it is written down twice, so schema and reader cannot drift apart.

mod arguments;
mod guest;
mod lease;
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

pub use show::{date_and_time, minutes, without_secrets};

/// What a call may do before the customer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolClass {
    /// It costs nothing and changes nothing.
    Free,
    /// The lease API asks for a payment, which only the customer's wallet can sign.
    Paid,
    /// It ends something: the customer has to be signed in, and to say yes through the interface.
    Confirmed,
}

/// One call of the lease API, exactly as it will be sent.
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
    /// What is being done, for people: `Leasing …`.
    pub title: String,
    /// What would be done, for people: `Lease …`.
    pub summary: String,
    /// Whether a password or key may be added to the body.
    pub takes_credential: bool,
    /// The path that gives the same for nothing to a wallet that is signed in.
    pub free_path: Option<String>,
    /// The whole command line that it runs, every character visible.
    #[serde(default)]
    pub command: Option<String>,
    /// What it buys, where a customer usually wants one of a kind: a second one in a turn needs
    /// their word.
    #[serde(default)]
    pub kind: Option<String>,
    /// The number of the container that it is for.
    #[serde(default)]
    pub ctid: Option<u32>,
    /// The lease that the number stands for, where the wallet is signed in. Numbers are used again.
    #[serde(default)]
    pub lease: Option<SuspendedLease>,
}

impl CallPlan {
    /// The same as the interface shows it.
    pub fn suspended(&self) -> SuspendedCall {
        let body = self.body.as_deref();
        SuspendedCall {
            tool: self.tool.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            body: body.and_then(|text| serde_json::from_str(text).ok()),
            summary: self.summary.clone(),
            command: self.command.clone(),
            lease: self.lease.clone(),
        }
    }

    /// By which the same call is known again: the request as it will be sent, not the model's
    /// spelling of it.
    pub fn mark(&self) -> CallFingerprint {
        let Self {
            method, path, body, ..
        } = self;
        // Bodies are written by our own types, so equal requests are equal text.
        let body = body.as_deref().unwrap_or_default();
        CallFingerprint {
            call: format!("{method} {path} {body}"),
            kind: self.kind.clone(),
        }
    }

    /// The same for exactly this lease, which its summary names. `now` is in Unix seconds.
    #[must_use]
    pub fn for_lease(mut self, lease: SuspendedLease, now: u64) -> Self {
        let number = format!("container {}", lease.ctid);
        let named = format!("{number} ({})", show::named(&lease, now));
        self.summary = self.summary.replacen(&number, &named, 1);
        self.lease = Some(lease);
        self
    }
}

/// A tool.
trait Tool {
    /// Its name.
    const NAME: &'static str;
    /// Names by which it was known before.
    const ALIASES: &'static [&'static str] = &[];
    /// What a call may do.
    const CLASS: ToolClass;
    /// For the model.
    const DESCRIPTION: &'static str;
    /// What the model says.
    type Arguments: DeserializeOwned + JsonSchema;
    /// The body of the lease API's response.
    type Response: DeserializeOwned;
    /// The sentence about a response whose body is none of [`Tool::Response`].
    const UNREAD: &'static str = "The lease API took the request.";

    /// The call for these arguments.
    fn plan(arguments: Self::Arguments) -> CallPlan;

    /// What the model sees of the response.
    fn view(response: &Self::Response) -> Value;

    /// One sentence about the response, for people.
    fn summary(response: &Self::Response) -> String;
}

/// A tool as the rest of the service handles it.
pub struct RegisteredTool {
    /// Its name.
    pub name: &'static str,
    /// Names by which it was known before.
    pub aliases: &'static [&'static str],
    /// What a call may do.
    pub class: ToolClass,
    /// For the model.
    pub description: &'static str,
    parameters: fn() -> Value,
    plan: fn(Value) -> Result<CallPlan, String>,
    view: fn(&Value) -> Value,
    summary: fn(&Value) -> String,
}

/// Every tool.
pub static REGISTRY: [RegisteredTool; 12] = [
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

/// The tool of this name or former name.
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

    /// Reads the model's arguments.
    ///
    /// # Errors
    /// What is wrong with them, for the model.
    pub fn plan(&self, call: &ToolCall) -> Result<CallPlan, String> {
        let mut plan = (self.plan)(arguments::read(&call.arguments)?)?;
        // What the model wrote is in them, and people read them before they sign.
        plan.title = visible::line(&plan.title);
        plan.summary = visible::line(&plan.summary);
        Ok(plan)
    }

    /// What the model sees of an answer; secrets are left out whatever the tool itself keeps.
    pub fn view(&self, answer: &Value) -> Value {
        without_secrets((self.view)(answer))
    }

    /// One sentence about an answer, for people.
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
        // Some servers want the member even where there is nothing to say.
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
            // Without the error, which may repeat a value.
            tracing::warn!(
                tool = T::NAME,
                "a response of the lease API has another shape than the contract's"
            );
            Value::Object(serde_json::Map::new())
        },
        |response| T::view(&response),
    )
}

fn summary_of<T: Tool>(body: &Value) -> String {
    T::Response::deserialize(body)
        .map_or_else(|_| T::UNREAD.to_owned(), |response| T::summary(&response))
}

/// A call without a body, to start from.
fn call(tool: &str, method: &Method, path: impl Into<String>) -> CallPlan {
    CallPlan {
        tool: tool.to_owned(),
        method: method.to_string(),
        path: path.into(),
        body: None,
        title: String::new(),
        summary: String::new(),
        takes_credential: false,
        free_path: None,
        command: None,
        kind: None,
        ctid: None,
        lease: None,
    }
}

/// A call without a body for a container.
fn call_for(tool: &str, method: &Method, ctid: u32, path: impl Into<String>) -> CallPlan {
    CallPlan {
        ctid: Some(ctid),
        ..call(tool, method, path)
    }
}

fn body_of(body: &impl Serialize) -> Option<String> {
    Some(serde_json::to_string(body).expect("bodies have string keys and whole numbers"))
}
