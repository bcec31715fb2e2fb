//! Which certificates are trusted.

use std::time::Duration;

use pve::{Auth, Client, ClientConfig, ConfigError, Error, Tls};

use super::{connect, simulator, token};

#[tokio::test]
async fn only_the_expected_certificate_is_trusted() {
    let sim = simulator().await;
    let pin = pve::server_fingerprint(&sim.url(), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(pin.to_string(), sim.fingerprint());
    let other = simulator().await;
    let trusted = [
        Tls::Fingerprint(pin),
        Tls::CaPem(sim.ca_pem().into_bytes()),
        Tls::Insecure,
    ];
    for tls in trusted {
        connect(&sim, token(&sim), tls).version().await.unwrap();
    }
    let not_trusted = [
        Tls::System,
        Tls::CaPem(other.ca_pem().into_bytes()),
        Tls::Fingerprint(other.fingerprint().parse().unwrap()),
    ];
    let before = sim.request_count("GET", "");
    for tls in not_trusted {
        let error = connect(&sim, token(&sim), tls.clone())
            .version()
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unsent { .. }), "{tls:?}: {error}");
    }
    assert_eq!(
        sim.request_count("GET", ""),
        before,
        "no token reaches a stranger"
    );
}

#[test]
fn certificates_that_cannot_be_used_are_a_configuration_error() {
    let mut config = ClientConfig::new("https://127.0.0.1:1", Auth::token("a@pve!b", "c"));
    for tls in [
        Tls::CaPem(b"no certificate".to_vec()),
        Tls::CaPem(Vec::new()),
    ] {
        config.tls = tls;
        assert!(matches!(
            Client::new(config.clone()),
            Err(ConfigError::Ca(_))
        ));
    }
    config.tls = Tls::CaFile("/nonexistent/ca.pem".into());
    assert!(matches!(
        Client::new(config),
        Err(ConfigError::CaFile { .. })
    ));
}
