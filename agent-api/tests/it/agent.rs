//! The agent under test, and a browser's requests to it.

use std::sync::Arc;

use agent_api::{App, app, config::Config, llm::Model};
use serde_json::{Value, json};
use service::{clock::SystemClock, env::Env, metrics::Metrics};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A running agent; dropping it ends everything that it started.
pub struct Agent {
    pub url: String,
    pub http: reqwest::Client,
    _folder: TempDir,
    _serving: JoinSet<()>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct AgentResponse {
    pub status: u16,
    pub body: Value,
}

impl AgentResponse {
    /// The answer to a request.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, body }
    }

    /// The agent's words.
    pub fn reply(&self) -> &str {
        self.body["reply"]
            .as_str()
            .unwrap_or_else(|| panic!("no reply in {}", self.body))
    }

    /// The code of an error.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The result of the tool that was called.
    pub fn result(&self) -> &Value {
        let events = self.body["events"].as_array().unwrap();
        let done = events.iter().rfind(|event| event["type"] == "tool_done");
        &done.unwrap_or_else(|| panic!("no tool was done: {}", self.body))["result"]
    }
}

/// One secret for all agents, so that any two of them are replicas.
pub const SECRET: &str = "a secret that all replicas share";

impl Agent {
    /// The built-in assistant in front of a lease API.
    pub async fn offline(backend: &str) -> Self {
        Self::with(backend, None, &[]).await
    }

    /// The agent with another model, and further settings.
    pub async fn with(backend: &str, model: Option<Arc<dyn Model>>, more: &[(&str, &str)]) -> Self {
        service::crypto::install_ring_provider();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().display().to_string();
        let mut variables = vec![
            ("BACKEND_BASE_URL", backend),
            ("AGENT_SECRET", SECRET),
            ("DATA_DIR", data.as_str()),
            ("LLM_PROVIDER", "offline"),
        ];
        variables.extend_from_slice(more);
        let config = Config::from_env(Env::from_map(variables)).unwrap();
        let state = match model {
            Some(model) => App::with_model(config, Arc::new(SystemClock), model),
            None => App::start(config, Arc::new(SystemClock)),
        };
        let router = app(state.unwrap(), Metrics::install().unwrap());
        let (url, serving) = crate::fake_lease_api::serve(router).await;
        Self {
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
            _serving: serving,
        }
    }

    /// `POST /chat`.
    pub async fn chat(&self, body: Value) -> AgentResponse {
        AgentResponse::of(self.http.post(format!("{}/chat", self.url)).json(&body)).await
    }

    /// `POST /chat` as a proxy passes it on for a customer with this address.
    pub async fn chat_from(&self, address: &str, body: Value) -> AgentResponse {
        let request = self.http.post(format!("{}/chat", self.url)).json(&body);
        AgentResponse::of(request.header("x-forwarded-for", address)).await
    }

    /// `POST /chat` with only a message.
    pub async fn say(&self, message: &str) -> AgentResponse {
        self.chat(json!({ "message": message })).await
    }

    /// `POST /chat` as a stream: each event's name and data.
    pub async fn stream(&self, body: Value) -> Vec<(String, Value)> {
        let request = self
            .http
            .post(format!("{}/chat", self.url))
            .header("accept", "text/event-stream")
            .json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        events(&response.text().await.unwrap())
    }

    /// Sends a `GET` request.
    pub async fn get(&self, path: &str) -> AgentResponse {
        AgentResponse::of(self.http.get(format!("{}{path}", self.url))).await
    }
}

fn events(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("event:"));
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
        (field("event: ").unwrap().to_owned(), data)
    };
    blocks.map(event).collect()
}
