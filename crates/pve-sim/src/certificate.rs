//! The certificate authority and the server certificate of one simulated cluster, like the ones
//! that Proxmox makes at installation. They are kept in the state file, if there is one, so that a
//! pinned fingerprint survives a restart.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::encoding;

/// CA certificate, server certificate and server key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    ca_der: String,
    server_der: String,
    key_der: String,
}

impl Identity {
    /// Makes a CA and a certificate for these node names, `localhost` and the address.
    pub(crate) fn generate(
        nodes: &[String],
        address: IpAddr,
        expired: bool,
    ) -> anyhow::Result<Self> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(DnType::CommonName, "Proxmox Virtual Environment");
        ca.distinguished_name
            .push(DnType::OrganizationName, "PVE Cluster Manager CA");
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.not_before = rcgen::date_time_ymd(2024, 1, 1);
        ca.not_after = rcgen::date_time_ymd(2044, 1, 1);
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let mut names = nodes.to_vec();
        names.push("localhost".into());
        let mut server = CertificateParams::new(names)?;
        server
            .subject_alt_names
            .push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
        if !address.is_unspecified() && !address.is_loopback() {
            server.subject_alt_names.push(SanType::IpAddress(address));
        }
        server.distinguished_name.push(
            DnType::CommonName,
            nodes.first().map_or("pve", String::as_str),
        );
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        server.not_before = rcgen::date_time_ymd(2024, 1, 1);
        server.not_after = rcgen::date_time_ymd(if expired { 2025 } else { 2044 }, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?;

        Ok(Self {
            ca_pem: ca_certificate.pem(),
            ca_der: encoding::base64(ca_certificate.der()),
            server_der: encoding::base64(certificate.der()),
            key_der: encoding::base64(key.serialized_der()),
        })
    }

    /// SHA-256 of the server certificate, as Proxmox prints it.
    pub(crate) fn fingerprint(&self) -> anyhow::Result<String> {
        let der = encoding::unbase64(&self.server_der).context("server certificate")?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        let pairs: Vec<String> = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        Ok(pairs.join(":"))
    }

    pub(crate) fn server_config(&self) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let chain = [&self.server_der, &self.ca_der]
            .into_iter()
            .map(|der| encoding::unbase64(der).map(CertificateDer::from))
            .collect::<Option<Vec<_>>>()
            .context("certificate chain")?;
        let key = encoding::unbase64(&self.key_der).context("server key")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)))?;
        // pveproxy speaks HTTP/1 and takes no part in ALPN.
        config.alpn_protocols.clear();
        Ok(Arc::new(config))
    }
}
