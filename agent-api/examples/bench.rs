//! Measures what the agent adds to its model's own time, with a model and a lease API that answer from memory on loopback:
//! `cargo run --release -p agent-api --example bench`. Prints one line per measure.

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
const TURNS: usize = 200;
const STREAMS: usize = 200;

/// When the model sent the first word of its last answer.
type FirstWord = Arc<Mutex<Option<Instant>>>;

#[tokio::main]
async fn main() -> Result<()> {
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
    ]))?;
    let state = App::start(config, Arc::new(SystemClock))?;
    let agent = serve(app(state, Metrics::install()?)).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;

    let direct = median(TURNS, async || {
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
    let plain = median(TURNS, async || ask(&http, &agent, "/chat", &body).await).await?;
    println!("model alone                     {direct:>8.2?} median");
    println!(
        "overhead of a turn              {:>8.2?} median over the model's own time",
        plain.saturating_sub(direct)
    );
    let body = json!({ "message": "how busy?" });
    let tool = median(TURNS, async || ask(&http, &agent, "/chat", &body).await).await?;
    println!(
        "overhead of a turn with a tool  {:>8.2?} median over two answers of the model",
        tool.saturating_sub(2 * direct)
    );

    let mut waits = Vec::new();
    for _ in 0..TURNS {
        let (first, _) = stream_once(&http, &agent, "hello").await?;
        let sent = first_word
            .lock()
            .ok()
            .and_then(|word| *word)
            .context("no word was sent")?;
        waits.push(first.saturating_duration_since(sent));
    }
    waits.sort_unstable();
    println!(
        "first word, model to client     {:>8.2?} median, {:.2?} p99",
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );

    let before = resident_kib()?;
    let start = Instant::now();
    let streams = (0..STREAMS).map(|_| stream_once(&http, &agent, "tell me much"));
    let ended: Vec<_> = stream::iter(streams)
        .buffer_unordered(STREAMS)
        .collect()
        .await;
    let took = start.elapsed();
    for stream in ended {
        ensure!(stream?.1 == WORDS, "a stream lost words");
    }
    let alone = THOUGHT + PAUSE * u32::try_from(WORDS)?;
    println!("{STREAMS} streams at once             {took:>8.2?} where one takes {alone:.2?}");
    println!(
        "resident memory                 {:>5} MiB before, {} MiB after (model and client included)",
        before / 1024,
        resident_kib()? / 1024
    );
    Ok(())
}

/// Answers `how busy?` with a tool call first, `tell me much` with many words, and the rest with one.
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

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(number.parse()?)
}
