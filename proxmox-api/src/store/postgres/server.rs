//! The address, account and TLS settings of a PostgreSQL.

use std::{fmt, future::poll_fn, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error,
    config::{Host, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

use super::{failure::ServerError, failure::chain};

/// Timeout of a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout of sent data that is not acknowledged, after which a connection counts as lost.
const UNHEARD: Duration = Duration::from_secs(15);

/// A server, database and account. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Tls,
    shown: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Tls {
    /// Encrypted if the server can, without checking its certificate: the default of PostgreSQL's
    /// own clients.
    AnyCertificate,
    /// The certificate must be trusted and name the host.
    Known { authorities: Option<PathBuf> },
}

impl Server {
    /// Reads an address like `postgres://user:password@host:5432/database?sslmode=verify-full`,
    /// with a comma between hosts where a standby may take over.
    ///
    /// # Errors
    /// What is wrong with it, in words that do not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut authorities) = ("prefer".to_owned(), None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "sslmode" => mode = value.into_owned(),
                "sslrootcert" => authorities = Some(PathBuf::from(value.into_owned())),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        // The client reads no plus sign as a space.
        let rest = rest.finish().replace('+', "%20");
        let mut config: Config = format!("{address}?{rest}")
            .parse()
            .map_err(|error| format!("is no address of a PostgreSQL ({})", chain(&error)))?;
        if config.get_hosts().is_empty() {
            return Err("names no host".to_owned());
        }
        if config.get_dbname().is_none() {
            return Err("names no database after the host".to_owned());
        }
        let (ssl, tls) = match mode.as_str() {
            "disable" => (SslMode::Disable, Tls::AnyCertificate),
            "prefer" => (SslMode::Prefer, Tls::AnyCertificate),
            "require" if authorities.is_none() => (SslMode::Require, Tls::AnyCertificate),
            "require" | "verify-full" => (SslMode::Require, Tls::Known { authorities }),
            _ => {
                return Err(
                    "has an sslmode that is none of disable, prefer, require, verify-full"
                        .to_owned(),
                );
            }
        };
        config
            .ssl_mode(ssl)
            .application_name("infra402")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNHEARD)
            .keepalives_idle(UNHEARD);
        // Of several servers one is the primary, and the others take no changes.
        if config.get_hosts().len() > 1 && !query.contains("target_session_attrs") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let shown = shown(&config);
        Ok(Self { config, tls, shown })
    }

    /// Whether a third party on the network could read the connection or impersonate the server.
    pub fn is_exposed(&self) -> bool {
        let here = self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|ip| ip.is_loopback())
            }
            Host::Unix(_) => true,
        });
        !here && self.tls == Tls::AnyCertificate
    }

    /// Connects. The second part is the connection's task, which passes on the notifications of
    /// other sessions.
    pub(in crate::store) async fn connect<H: Fn(&str) + Send + 'static>(
        &self,
        told: H,
    ) -> Result<
        (
            Client,
            impl Future<Output = Result<(), Error>> + Send + use<H>,
        ),
        ServerError,
    > {
        let tls = MakeRustlsConnect::new(self.tls_config()?);
        let connected = self.config.connect(tls).await;
        let (client, mut connection) = connected.map_err(|error| ServerError::of(&error))?;
        let driven = async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(words) = message? {
                    told(words.payload());
                }
            }
            Ok(())
        };
        Ok((client, driven))
    }

    fn tls_config(&self) -> Result<ClientConfig, ServerError> {
        let failed = |error: rustls::Error| ServerError::Unreachable(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        Ok(match &self.tls {
            Tls::AnyCertificate => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
            Tls::Known { authorities } => builder
                .with_root_certificates(roots(authorities.as_ref())?)
                .with_no_client_auth(),
        })
    }
}

/// The address without the account. It is not cut from the address's text, since a password may be
/// anywhere in one that is malformed.
fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let host = |(place, host): (usize, &Host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(_) => "a socket".to_owned(),
        };
        match ports.get(place).or(ports.first()) {
            None | Some(5432) => name,
            Some(port) => format!("{name}:{port}"),
        }
    };
    let hosts: Vec<_> = config.get_hosts().iter().enumerate().map(host).collect();
    let database = config.get_dbname().unwrap_or_default();
    format!("{}/{database}", hosts.join(","))
}

fn roots(authorities: Option<&PathBuf>) -> Result<RootCertStore, ServerError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let unusable = |what: String| {
                ServerError::Unreachable(format!("sslrootcert {}: {what}", path.display()))
            };
            let read =
                CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in read {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
        }
    }
    Ok(roots)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL at {}", self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Accepts any certificate; the server still has to prove that it has the key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_never_shown() {
        let server =
            Server::parse("postgres://lease:s3cret@db.example:5433/infra402?sslmode=verify-full")
                .unwrap();
        assert_eq!(
            format!("{server} {server:?}"),
            "PostgreSQL at db.example:5433/infra402 PostgreSQL at db.example:5433/infra402"
        );
        assert!(!server.is_exposed());
        assert_eq!(server.config.get_password(), Some("s3cret".as_bytes()));
        let exposed = |text| Server::parse(text).unwrap().is_exposed();
        assert!(exposed("postgres://lease@db.example/infra402"));
        assert!(exposed(
            "postgresql://lease@db.example/infra402?sslmode=require"
        ));
        assert!(!exposed("postgres://lease@127.0.0.1/infra402"));
        assert!(!exposed(
            "postgres://lease@db.example/x?sslmode=require&sslrootcert=/ca.pem"
        ));
        assert!(!exposed(
            "postgres:///infra402?host=/run/postgresql&user=lease"
        ));
        let several =
            "postgres://lease:p%40ss+word@one,two:5433,[::1]:5434/infra402?sslmode=disable";
        let several = Server::parse(several).unwrap();
        assert_eq!(
            several.to_string(),
            "PostgreSQL at one,two:5433,::1:5434/infra402"
        );
        assert_eq!(several.config.get_password(), Some("p@ss+word".as_bytes()));
        let attributes = several.config.get_target_session_attrs();
        assert_eq!(attributes, TargetSessionAttrs::ReadWrite);
        for wrong in [
            "postgres://lease:s3cret/s3cret@db.example/infra402?sslmode=nonsense",
            "postgres://db.example",
            "postgres:///infra402",
            "postgres://s3cret@db.example/infra402?sslmode=verify",
            "postgres://s3cret@db.example:port/infra402",
            "postgres://s3cret@db.example/infra402?colour=blue",
        ] {
            let what = Server::parse(wrong).unwrap_err();
            assert!(!what.contains("s3cret"), "{what}");
        }
    }
}
