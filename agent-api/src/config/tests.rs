use std::path::Path;

use service::env::documents::keep;

use super::*;
use crate::llm::ProviderKind;

fn with(variables: &[(&'static str, &'static str)]) -> Result<Config, Problems> {
    Config::from_env(Env::from_map(variables.iter().copied()))
}

#[test]
fn without_configuration_the_built_in_assistant_answers() {
    let config = with(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.backend, "http://127.0.0.1:4021");
    assert!(config.llm.is_none());
    assert_eq!(config.allowed_origins[0], "http://localhost:3000");
    assert!(matches!(config.secret, SecretSource::Kept(_)));
}

#[test]
fn a_key_chooses_its_provider_with_its_defaults() {
    let openai = with(&[("OPENAI_API_KEY", "sk-1")]).unwrap().llm.unwrap();
    assert_eq!(openai.kind, ProviderKind::OpenAi);
    assert_eq!(
        (openai.base_url.as_str(), openai.model.as_str()),
        ("https://api.openai.com/v1", "gpt-4o-mini")
    );
    for name in ["FLOCKIO_API_KEY", "FLOCK_API_KEY"] {
        let flock = with(&[(name, "sk-1")]).unwrap().llm.unwrap();
        assert_eq!(flock.kind, ProviderKind::Flockio);
        assert_eq!(flock.base_url, "https://api.flock.io/v1");
        assert_eq!(flock.model, "qwen3-235b-a22b-instruct-2507");
    }
    let local = [
        ("LLM_BASE_URL", "http://127.0.0.1:8080/v1/"),
        ("LLM_MODEL", "tiny"),
    ];
    let local = with(&local).unwrap().llm.unwrap();
    assert_eq!(local.kind, ProviderKind::Compatible);
    assert_eq!(local.base_url, "http://127.0.0.1:8080/v1");
    let offline = with(&[("LLM_PROVIDER", "offline"), ("OPENAI_API_KEY", "sk-1")]).unwrap();
    assert!(offline.llm.is_none());
}

#[test]
fn a_key_goes_to_its_own_provider_and_nowhere_else() {
    let elsewhere = ("LLM_BASE_URL", "https://llm.example/v1");
    let (openai, flock, own) = (
        ("OPENAI_API_KEY", "sk-openai"),
        ("FLOCKIO_API_KEY", "sk-flock"),
        ("LLM_API_KEY", "sk-own"),
    );
    let model = ("LLM_MODEL", "m");
    let by = |kind| ("LLM_PROVIDER", kind);
    let cases: [(&[_], Option<&str>); 9] = [
        (&[openai], Some("sk-openai")),
        (&[flock], Some("sk-flock")),
        (&[openai, own], Some("sk-openai")),
        (&[elsewhere, model, openai], None),
        (&[elsewhere, model, openai, flock, own], Some("sk-own")),
        (&[elsewhere, by("openai"), openai, own], Some("sk-own")),
        (&[elsewhere, by("flockio"), flock, own], Some("sk-own")),
        (
            &[
                ("LLM_BASE_URL", "https://eu.api.openai.com/v1"),
                model,
                openai,
            ],
            Some("sk-openai"),
        ),
        (
            &[("LLM_BASE_URL", "http://api.openai.com/v1"), model, openai],
            None,
        ),
    ];
    for (variables, expected) in cases {
        let provider = with(variables).unwrap().llm.unwrap();
        let key = provider.key.as_ref().map(service::env::Secret::expose);
        assert_eq!(key, expected, "{variables:?}");
    }
    // A provider that was chosen by name but has no key is reported with the missing variable.
    for kind in ["openai", "flockio"] {
        let problems = with(&[elsewhere, by(kind), openai, flock]).unwrap_err();
        assert!(problems.to_string().contains("LLM_API_KEY"), "{problems}");
    }
}

#[test]
fn all_problems_are_reported_at_once_without_secrets() {
    let wrong = [
        ("PORT", "ninety"),
        ("BACKEND_BASE_URL", "localhost:4021"),
        ("ALLOWED_ORIGINS", "http://localhost:3000, *"),
        ("LLM_PROVIDER", "openai"),
        ("AGENT_SECRET", "hunter2"),
        ("MAX_PAYMENT_USD", "ten"),
        ("ALLOWED_PAYEES", "0x12"),
        ("ALLOWED_NETWORKS", "dogecoin"),
        ("PENDING_SECONDS", "1"),
    ];
    let problems = with(&wrong).unwrap_err().to_string();
    for name in ["OPENAI_API_KEY"]
        .into_iter()
        .chain(wrong.map(|(name, _)| name))
    {
        if name != "LLM_PROVIDER" {
            assert!(problems.contains(name), "{name} is not in:\n{problems}");
        }
    }
    assert!(!problems.contains("hunter2"));
    let nameless = with(&[("LLM_PROVIDER", "openai-compatible")])
        .unwrap_err()
        .to_string();
    assert!(nameless.contains("LLM_BASE_URL") && nameless.contains("LLM_MODEL"));
}

#[test]
fn the_documents_list_every_variable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (begin, end) = ("==== agent-api", "==== end of agent-api");
    keep(&root.join(".example.env"), begin, end, &SCHEMA.dotenv());
    let table = format!("\n{}", SCHEMA.markdown());
    let (begin, end) = ("<summary>agent-api", "</details><!-- agent-api -->");
    keep(&root.join("docs/CONFIGURATION.md"), begin, end, &table);
}
