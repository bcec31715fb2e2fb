//! `GET /catalog`: limits, rates, templates, and how to pay.

use std::time::Duration;

use api_types::{Catalog, LeaseRequest, Template};
use axum::{Json, Router, extract::State, routing::get};
use tokio::time::timeout;

use crate::{App, lease::network::fence};

/// How long Proxmox may take to list templates; shorter than for a lease, because a reader of
/// prices waits.
const PROXMOX_TIMEOUT: Duration = Duration::from_secs(4);

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/catalog", get(catalog))
}

/// Stays useful when Proxmox is away: the templates are then left out.
async fn catalog(State(app): State<App>) -> Json<Catalog> {
    let config = &app.config;
    let payments = &config.payments;
    let (templates, isolation_notice, simulator_notice) = tokio::join!(
        timeout(PROXMOX_TIMEOUT, templates(&app)),
        isolation_notice(&app),
        simulator_notice(&app)
    );
    let templates = match templates {
        Ok(Ok(templates)) => Some(templates),
        Ok(Err(error)) => {
            let cause = error.safe_text();
            tracing::warn!(error = cause, "the templates cannot be listed");
            None
        }
        Err(_) => {
            tracing::warn!("Proxmox takes too long to list its templates");
            None
        }
    };
    // A lease that names no template gets the first.
    let capacity_left = match templates.as_deref() {
        Some([default, ..]) => default.capacity_left,
        Some([]) => Some(0),
        None => None,
    };
    Json(Catalog {
        limits: config.limits.clone(),
        rates: config.tariff.clone(),
        templates: templates.unwrap_or_default(),
        network: payments.network.caip2.to_owned(),
        asset: payments.network.usdc.address.to_checksum(None),
        pay_to: payments.pay_to.to_checksum(None),
        capacity_left,
        grace_minutes: config.grace_seconds.div_ceil(60),
        isolation_notice,
        traffic_gib_per_hour: Some(config.tenants.traffic_gib_per_hour).filter(|gib| *gib > 0),
        abuse_contact: config.tenants.abuse_contact.clone(),
        simulated: simulated(&app),
        simulator_notice,
    })
}

async fn templates(app: &App) -> Result<Vec<Template>, pve::Error> {
    let size = LeaseRequest::default().size();
    let mut templates = Vec::new();
    for template in app.proxmox.templates().await? {
        templates.push(Template {
            capacity_left: app.proxmox.room(size, &template.volume).await?,
            description: described(&template.volume),
            name: template.name,
            default: templates.is_empty(),
        });
    }
    Ok(templates)
}

/// The template's file without its storage and its endings.
fn described(volume: &str) -> String {
    let file = volume.rsplit('/').next().unwrap_or(volume);
    let stem = file.split(".tar").next().unwrap_or(file);
    stem.replace('_', " ")
}

/// Simulated containers have no network.
async fn isolation_notice(app: &App) -> Option<String> {
    if app.config.simulated_proxmox {
        return None;
    }
    let notice = timeout(PROXMOX_TIMEOUT, fence::notice(app)).await.ok()?;
    notice.map(str::to_owned)
}

/// Which parts are not the real ones.
fn simulated(app: &App) -> Vec<String> {
    let mut parts = Vec::new();
    if app.config.simulated_proxmox {
        parts.push("proxmox".to_owned());
    }
    if app.facilitator.describe().simulated {
        parts.push("payments".to_owned());
    }
    parts
}

/// What the simulator says of its shells; nothing where Proxmox is real.
async fn simulator_notice(app: &App) -> Option<String> {
    if !app.config.simulated_proxmox {
        return None;
    }
    // One that does not answer is told of by the templates that are missing.
    let version = timeout(PROXMOX_TIMEOUT, app.proxmox.client.version())
        .await
        .ok()?
        .ok()?;
    version.simulator.map(|simulator| simulator.notice)
}
