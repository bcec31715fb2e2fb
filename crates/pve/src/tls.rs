//! Trust in the host's certificate: by roots, by a private authority, by a pinned fingerprint, or not at all.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::ClientBuilder;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::cause::with_causes;
use crate::certificate::{Fingerprint, PIN_DIFFERS};
use crate::config::{ConfigError, Tls, api_root};

/// What a host shows to anybody who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Its certificate's fingerprint; none if the address is not https.
    pub fingerprint: Option<Fingerprint>,
    /// Its clock, if it tells, in seconds.
    pub date: Option<SystemTime>,
}

/// Looks at a host without trusting it: the certificate, for an operator who wants to pin it after comparing it with the one
/// that Proxmox shows, and the clock. No credential is sent, and the call is one that Proxmox answers to everybody at once.
///
/// # Errors
/// [`ConfigError`] when the address is unusable or the host cannot be reached.
pub async fn glance(base_url: &str, patience: Duration) -> Result<Glance, ConfigError> {
    let url = format!("{}/access/domains", api_root(base_url)?);
    let builder = reqwest::Client::builder()
        .http1_only()
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_info(true);
    let failed = |e: reqwest::Error| ConfigError::Tls(with_causes(&e.without_url()));
    let http = configure(builder, &Tls::Insecure)?
        .build()
        .map_err(failed)?;
    let response = http.get(url).send().await.map_err(failed)?;
    let fingerprint = response
        .extensions()
        .get::<reqwest::tls::TlsInfo>()
        .and_then(|info| info.peer_certificate())
        .map(Fingerprint::of);
    let date = response
        .headers()
        .get(http::header::DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Ok(Glance { fingerprint, date })
}

/// The fingerprint of a host's certificate, by a [`glance`] at it.
///
/// # Errors
/// [`ConfigError`] when the address is unusable or not HTTPS, or the host cannot be reached.
pub async fn server_fingerprint(
    base_url: &str,
    patience: Duration,
) -> Result<Fingerprint, ConfigError> {
    glance(base_url, patience)
        .await?
        .fingerprint
        .ok_or_else(|| {
            ConfigError::Tls("the host has no certificate: the address is not https".to_owned())
        })
}

/// Applies the chosen trust to a client under construction.
pub(crate) fn configure(builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, ConfigError> {
    // Fails when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tls {
        Tls::System => Ok(builder.tls_backend_rustls()),
        Tls::CaFile(path) => {
            let pem = std::fs::read(path).map_err(|cause| ConfigError::CaFile {
                path: path.clone(),
                cause,
            })?;
            trust_only(builder, &pem)
        }
        Tls::CaPem(pem) => trust_only(builder, pem),
        Tls::Fingerprint(pin) => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(|e| ConfigError::Tls(e.to_string()))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    pin: *pin,
                    provider,
                }))
                .with_no_client_auth();
            Ok(builder.tls_backend_preconfigured(config))
        }
        Tls::Insecure => Ok(builder
            .tls_backend_rustls()
            .tls_danger_accept_invalid_certs(true)),
    }
}

fn trust_only(builder: ClientBuilder, pem: &[u8]) -> Result<ClientBuilder, ConfigError> {
    let roots =
        reqwest::Certificate::from_pem_bundle(pem).map_err(|e| ConfigError::Ca(e.to_string()))?;
    if roots.is_empty() {
        return Err(ConfigError::Ca("there is none in the PEM text".to_owned()));
    }
    Ok(builder.tls_backend_rustls().tls_certs_only(roots))
}

/// Accepts exactly one certificate. The handshake's signature is still checked, so its key has to be there too.
#[derive(Debug)]
struct Pinned {
    pin: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(end_entity);
        if seen == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(format!(
                "{PIN_DIFFERS} {seen}, expected {}",
                self.pin
            )))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
