//! The agent shows exactly the call that is signed.

use serde_json::{Value, json};

use crate::{
    agent::Agent,
    fake_lease_api::{FakeLeaseApi, challenge},
    model::{Scripted, calls, words},
};

async fn asked(tool: &str, arguments: Value) -> Value {
    let shop = FakeLeaseApi::start(|asked| match asked.path.as_str() {
        "/lease/quote" => (404, "{}".into()),
        path => challenge(path, 1000),
    })
    .await;
    let model = Scripted::saying([calls([(tool, arguments)]), words("Done.")]);
    let agent = Agent::with(&shop.url, Some(model), &[]).await;
    let asked = agent.say("please").await;
    assert!(asked.body["payment_request"].is_object(), "{}", asked.body);
    asked.body
}

#[tokio::test]
async fn the_whole_command_is_shown_with_its_arguments_and_nothing_in_it_hides() {
    let command = format!(
        "uptime{}; rm -rf /srv\nreboot \u{202e}gnp.txt\u{200b}",
        " ".repeat(90)
    );
    let arguments = json!({"ctid": 100, "command": command, "extraArgs": ["a b", "it's\r"]});
    let asked = asked("exec_container_command", arguments).await;
    let call = &asked["payment_request"]["call"];
    assert_eq!(
        call["body"]["command"], command,
        "what is sent stays as it is"
    );
    assert_eq!(
        call["command"],
        "uptime⟨90 spaces⟩; rm -rf /srv\nreboot ⟨U+202E⟩gnp.txt⟨U+200B⟩ 'a b' 'it'\\''s⟨U+000D⟩'"
    );
    let one_line = |text: &str| {
        text.chars()
            .all(|c| c == ' ' || !(c.is_control() || c.is_whitespace()))
    };
    let summary = call["summary"].as_str().unwrap();
    for shown in [summary, asked["reply"].as_str().unwrap()] {
        assert!(!shown.contains(['\u{202e}', '\u{200b}', '\n']), "{shown:?}");
        assert!(!shown.contains("   "), "{shown:?}");
    }
    assert!(one_line(summary), "{summary:?}");
    let start = &asked["events"][0];
    assert_eq!(start["type"], "tool_start");
    assert!(one_line(start["title"].as_str().unwrap()), "{start}");
}

#[tokio::test]
async fn a_name_that_a_model_made_up_cannot_alter_the_sentence() {
    let arguments = json!({"runtimeMinutes": 60, "hostname": "a\u{202e}\n\nfree"});
    let asked = asked("lease_container", arguments).await;
    let summary = asked["payment_request"]["call"]["summary"]
        .as_str()
        .unwrap();
    assert!(!summary.contains(['\u{202e}', '\n']), "{summary:?}");
    assert!(summary.contains("⟨U+202E⟩"), "{summary:?}");
}
