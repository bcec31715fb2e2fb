//! The container that a request orders: its price, name, template and root password.

use api_types::{ErrorCode, FieldError, LeaseRequest, Price, Tariff, price};
use service::crypto;
use sha_crypt::{PasswordHasher as _, ShaCrypt};

use super::LeaseContainer;
use crate::{
    error::ApiError,
    proxmox::{NOT_ON_OFFER, Template},
    state::App,
};

/// The price of a container for the time asked for, in atomic USDC.
///
/// # Errors
/// It is too large for any payment.
pub(super) fn price_of(tariff: &Tariff, request: &LeaseRequest) -> Result<Price, ApiError> {
    price::price_lease(tariff, request.size(), request.runtime_minutes).map_err(|_| {
        let field = FieldError::new("runtimeMinutes", "makes a price too large for any payment");
        ApiError::invalid(vec![field])
    })
}

impl LeaseContainer {
    /// The hostname asked for, or else the lease's id.
    pub(super) fn hostname(&self) -> String {
        self.request
            .hostname
            .clone()
            .unwrap_or_else(|| self.lease_id.to_string())
    }

    /// The template asked for, or else the first one on offer.
    ///
    /// # Errors
    /// It is not on offer, or Proxmox did not answer.
    pub(super) async fn template(&self, app: &App) -> Result<Template, ApiError> {
        let templates = app.proxmox.templates().await?;
        let found = match &self.request.template {
            None => templates.first(),
            Some(wanted) => templates.iter().find(|template| template.is_called(wanted)),
        };
        found.cloned().ok_or_else(|| match &self.request.template {
            Some(_) => {
                let field = FieldError::new("template", NOT_ON_OFFER);
                ApiError::invalid(vec![field])
            }
            None => {
                tracing::error!(
                    "no node has a template that can be used: `proxmox-api doctor` says why"
                );
                let message = "No operating system is on offer just now.";
                ApiError::new(ErrorCode::Unavailable, message).retry_after(30)
            }
        })
    }

    /// The hash of root's password; `None` where root signs in by a key alone.
    ///
    /// # Errors
    /// The password cannot be hashed.
    pub(super) async fn password_hash(&self, app: &App) -> Result<Option<pve::Secret>, ApiError> {
        let password = match &self.request.password {
            Some(password) => password.expose().to_owned(),
            None if self.makes_password => app.installation.password(&self.lease_id),
            None => return Ok(None),
        };
        // Five thousand rounds: milliseconds that others need not wait for.
        let hash = tokio::task::spawn_blocking(move || {
            let salt: [u8; 12] = crypto::random_bytes();
            ShaCrypt::default()
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
        });
        match hash.await {
            Ok(Ok(hash)) => Ok(Some(pve::Secret::new(hash))),
            _ => {
                tracing::error!("a password cannot be hashed");
                Err(ApiError::new(
                    ErrorCode::Internal,
                    "The password cannot be used.",
                ))
            }
        }
    }
}
