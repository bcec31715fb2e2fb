//! Measures the time that the agent adds to that of its model, with a model and a lease API that
//! answer from memory on loopback: `cargo run --release -p agent-api --example bench`, with `--
//! --quick` for a short run whose figures mean nothing. It prints a line per figure, `NAME = VALUE
//! UNIT`, which `cargo xtask bench` compares with the aims.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agent_api::{App, app, config::Config};
use anyhow::{Context, Result, ensure};
use axum::{
    Json, Router,
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use service::{clock::SystemClock, env::Env, metrics::Metrics};

/// How long the model thinks before each answer.
const THOUGHT: Duration = Duration::from_millis(20);
/// Words of a long answer, and the pause between two.
const WORDS: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// When the model sent the first word of its last answer.
type FirstWord = Arc<Mutex<Option<Instant>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (turns, streams) = if quick { (5, 5) } else { (200, 200) };
    service::crypto::install_ring_provider();
    let first_word = FirstWord::default();
    let model = serve(model(Arc::clone(&first_word))).await?;
    let backend = Router::new().route("/stats/node", get(async || Json(json!({ "nodes": [] }))));
    let backend = serve(backend).await?;
    let base = format!("{model}/v1");
    let config = Config::from_env(Env::from_map([
        ("BACKEND_BASE_URL", backend.as_str()),
        ("AGENT_SECRET", "a secret for measuring alone"),
        ("LLM_PROVIDER", "openai-compatible"),
        ("LLM_BASE_URL", base.as_str()),
        ("LLM_MODEL", "measured"),
        // All turns come from one address, whose limits must not be reached.
        ("CHAT_CALLS_PER_MINUTE", "100000"),
        ("CHAT_TURNS_AT_A_TIME", "1000"),
        ("CHAT_TURNS_PER_ADDRESS", "1000"),
        ("LLM_TOKENS_PER_DAY", "0"),
        ("LLM_TOKENS_PER_ADDRESS", "0"),
    ]))?;
    let state = App::start(config, Arc::new(SystemClock))?;
    let agent = serve(app(state, Metrics::install()?)).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;

    let direct = median(turns, async || {
        ask(
            &http,
            &base,
            "/chat/completions",
            &json!({ "messages": [] }),
        )
        .await
    })
    .await?;
    let body = json!({ "message": "hello" });
    let plain = median(turns, async || ask(&http, &agent, "/chat", &body).await).await?;
    figure("model alone, median", millis(direct), "ms");
    figure(
        "added to a turn, median",
        millis(plain.saturating_sub(direct)),
        "ms",
    );
    let body = json!({ "message": "how busy?" });
    let tool = median(turns, async || ask(&http, &agent, "/chat", &body).await).await?;
    let added = tool.saturating_sub(2 * direct);
    figure("added to a turn with a tool, median", millis(added), "ms");

    let mut waits = Vec::new();
    for _ in 0..turns {
        let (first, _) = stream_once(&http, &agent, "hello").await?;
        let sent = first_word
            .lock()
            .ok()
            .and_then(|word| *word)
            .context("no word was sent")?;
        waits.push(first.saturating_duration_since(sent));
    }
    waits.sort_unstable();
    for (label, percent) in [("median", 50), ("p99", 99)] {
        let name = format!("first word, model to customer, {label}");
        let at = (waits.len() * percent / 100).min(waits.len() - 1);
        figure(&name, millis(waits[at]), "ms");
    }

    let before = resident_kib()?;
    let start = Instant::now();
    let asked = (0..streams).map(|_| stream_once(&http, &agent, "tell me much"));
    let ended: Vec<_> = stream::iter(asked)
        .buffer_unordered(streams)
        .collect()
        .await;
    let took = start.elapsed();
    for stream in ended {
        ensure!(stream?.1 == WORDS, "a stream lost words");
    }
    let alone = THOUGHT + PAUSE * u32::try_from(WORDS)?;
    figure("streams at once", streams as f64, "streams");
    figure(
        "streams at once, beyond the time of one",
        millis(took.saturating_sub(alone)),
        "ms",
    );
    // Model and customers are in this process as well.
    figure("memory before the streams", before as f64 * 1.024e-3, "MB");
    figure(
        "memory with the streams",
        resident_kib()? as f64 * 1.024e-3,
        "MB",
    );
    Ok(())
}

/// Answers `how busy?` with a tool call first, `tell me much` with many words, and the rest with
/// one.
fn model(first_word: FirstWord) -> Router {
    let answer = move |Json(request): Json<Value>| {
        let first_word = Arc::clone(&first_word);
        async move {
            tokio::time::sleep(THOUGHT).await;
            let messages = request["messages"].as_array().cloned().unwrap_or_default();
            let last = messages.last().cloned().unwrap_or_default();
            let asks = |text: &str| {
                last["content"]
                    .as_str()
                    .is_some_and(|content| content.contains(text))
            };
            if asks("how busy?") {
                let call = json!({ "index": 0, "id": "call_1", "function": { "name": "get_node_stats", "arguments": "{}" } });
                return pieces(vec![json!({ "tool_calls": [call] })], None);
            }
            let words = if asks("tell me much") { WORDS } else { 1 };
            pieces(vec![json!({ "content": "word " }); words], Some(first_word))
        }
    };
    Router::new().route("/v1/chat/completions", post(answer))
}

fn pieces(deltas: Vec<Value>, first_word: Option<FirstWord>) -> Response {
    let many = deltas.len() > 1;
    let sent = stream::iter(deltas.into_iter().enumerate()).then(move |(number, delta)| {
        let first_word = first_word.clone();
        async move {
            if many {
                tokio::time::sleep(PAUSE).await;
            }
            if let (0, Some(first_word)) = (number, first_word)
                && let Ok(mut word) = first_word.lock()
            {
                *word = Some(Instant::now());
            }
            let chunk = json!({ "choices": [{ "index": 0, "delta": delta }] });
            Ok::<_, Infallible>(Event::default().data(chunk.to_string()))
        }
    });
    let end =
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }).to_string();
    let end = [end, "[DONE]".to_owned()].map(|data| Ok(Event::default().data(data)));
    Sse::new(sent.chain(stream::iter(end))).into_response()
}

async fn serve(router: Router) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    // As the services do: a word is small, and wanted at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn ask(http: &reqwest::Client, base: &str, path: &str, body: &Value) -> Result<()> {
    let response = http.post(format!("{base}{path}")).json(body).send().await?;
    response.error_for_status()?.text().await?;
    Ok(())
}

async fn median(times: usize, mut act: impl AsyncFnMut() -> Result<()>) -> Result<Duration> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        act().await?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(took[times / 2])
}

/// When the first word came, and how many came.
async fn stream_once(
    http: &reqwest::Client,
    agent: &str,
    message: &str,
) -> Result<(Instant, usize)> {
    let request = http
        .post(format!("{agent}/chat"))
        .header("accept", "text/event-stream")
        .json(&json!({ "message": message }));
    let mut chunks = request.send().await?.error_for_status()?.bytes_stream();
    let (mut text, mut first) = (String::new(), None);
    while let Some(chunk) = chunks.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk?));
        if first.is_none() && text.contains("event: token") {
            first = Some(Instant::now());
        }
    }
    Ok((
        first.context("no word came")?,
        text.matches("event: token").count(),
    ))
}

fn figure(name: &str, value: f64, unit: &str) {
    println!("{name} = {value:.3} {unit}");
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(number.parse()?)
}
