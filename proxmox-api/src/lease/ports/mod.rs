//! Published ports: servers in a container that visitors reach under a name of its own. `ingress`
//! serves the visitors; here is what the owner sets and sees.

pub mod name;
pub mod token;

use std::collections::HashMap;

use api_types::{ErrorCode, PortAccess, PortList, PortView, PortVisit, Secret};
use serde_json::json;
use service::crypto;

use self::token::TokenKind;
use crate::{
    config::GuestDomain,
    error::ApiError,
    ids::{LeaseId, Wallet},
    state::App,
    store::{Lease, LeaseState, NamedPorts, Port, PublishOutcome, StoreError},
    timestamp::timestamp,
};

/// The query by which a link or ticket comes. It never stays in an address that is shown.
pub const ACCESS_QUERY: &str = "infra402_access";
/// The most published ports of a lease.
const MOST_PORTS: usize = 20;
/// Seconds for which an address that is good once can be opened.
const TICKET_SECONDS: i64 = 120;
/// Seconds for which the owner's cookie or token is good.
const VISIT_SECONDS: i64 = 24 * 3600;

/// The domain of published ports.
///
/// # Errors
/// The operator publishes none.
pub fn domain(app: &App) -> Result<&GuestDomain, ApiError> {
    let ingress = app.config.ingress.as_ref();
    ingress.map(|ingress| &ingress.domain).ok_or_else(|| {
        let message = "The operator of this service publishes no ports of containers.";
        ApiError::new(ErrorCode::NotFound, message)
    })
}

/// Publishes a port of an active lease, or changes who may open it.
///
/// # Errors
/// The operator publishes none, the lease has as many as it may have, or the store failed.
pub async fn publish(
    app: &App,
    lease: &Lease,
    port: u16,
    access: PortAccess,
) -> Result<PortView, ApiError> {
    let domain = domain(app)?;
    let (id, now) = (&lease.lease_id, app.now());
    let named = app.store.guest_name_or(id, &name::fresh(), now).await?;
    if named.taken_down.is_some() {
        return Err(name::taken_down());
    }
    let epoch = crypto::random_hex(16);
    let outcome = app
        .store
        .publish_port(id, port, access, &epoch, MOST_PORTS, now);
    match outcome.await? {
        PublishOutcome::Published { port, changed } => {
            if changed {
                app.guest_streams.changed(id);
                let data = json!({ "port": port.port, "access": access });
                app.record_event(id, "port_published", data).await;
            }
            Ok(view(app, domain, id, &named.name, &port))
        }
        PublishOutcome::TooMany => {
            let message = format!("A lease has at most {MOST_PORTS} published ports.");
            Err(ApiError::new(ErrorCode::LeaseConflict, message).advise("close one of them"))
        }
    }
}

/// Closes a published port; one that is not published stays so. Open connections to it end.
///
/// # Errors
/// The store failed.
pub async fn close(app: &App, lease: &Lease, port: u16) -> Result<(), ApiError> {
    if app.store.close_port(&lease.lease_id, port).await? {
        app.guest_streams.changed(&lease.lease_id);
        let data = json!({ "port": port });
        app.record_event(&lease.lease_id, "port_closed", data).await;
    }
    Ok(())
}

/// The published ports of a lease.
///
/// # Errors
/// The operator publishes none, or the store failed.
pub async fn list(app: &App, lease: &Lease) -> Result<PortList, ApiError> {
    let domain = domain(app)?;
    let id = &lease.lease_id;
    let Some(named) = app.store.guest_name(id).await? else {
        let (ports, taken_down) = (Vec::new(), None);
        return Ok(PortList { ports, taken_down });
    };
    let ports = app.store.ports(id).await?;
    let view = |port| view(app, domain, id, &named.name, port);
    Ok(PortList {
        ports: ports.iter().map(view).collect(),
        taken_down: named.taken_down,
    })
}

/// A way for the owner to open a published port, whatever its access.
///
/// # Errors
/// The port is not published, or the store failed.
pub async fn visit(app: &App, lease: &Lease, port: u16) -> Result<PortVisit, ApiError> {
    let domain = domain(app)?;
    let (id, now) = (&lease.lease_id, app.now());
    let named = app.store.guest_name(id).await?;
    let known = app.store.ports(id).await?;
    let (Some(named), Some(known)) = (named, known.iter().find(|known| known.port == port)) else {
        let message = "The port is not published.";
        return Err(ApiError::new(ErrorCode::NotFound, message)
            .advise(format!("PUT /lease/{id}/ports/{port}")));
    };
    if named.taken_down.is_some() {
        return Err(name::taken_down());
    }
    let (ticket, until) = (crypto::random_hex(32), now + TICKET_SECONDS);
    let hash = token::ticket_hash(known, &ticket);
    let kept = app.store.keep_port_ticket(&hash, id, port, until, now);
    kept.await?;
    let url = domain.url(&name::label(port, &named.name));
    let visit = owner_token(app, id, known);
    Ok(PortVisit {
        url: Secret::new(format!("{url}?{ACCESS_QUERY}={ticket}")),
        url_expires_at: timestamp(until),
        token: Secret::new(visit),
        token_expires_at: timestamp(now + VISIT_SECONDS),
    })
}

/// A token of the owner's, good for a day from now.
pub fn owner_token(app: &App, id: &LeaseId, port: &Port) -> String {
    let until = TokenKind::Visit(app.now() + VISIT_SECONDS);
    token::sign(&app.installation, id, port, until)
}

/// The ports of a wallet's leases; nothing is read where the operator publishes none.
///
/// # Errors
/// The store failed.
pub async fn of_wallet(
    app: &App,
    wallet: &Wallet,
) -> Result<HashMap<LeaseId, NamedPorts>, StoreError> {
    match app.config.ingress {
        Some(_) => app.store.ports_of_wallet(wallet).await,
        None => Ok(HashMap::new()),
    }
}

/// The ports in a lease's view. Their links are left out: a view is kept in more places than a
/// secret should be.
pub fn in_view(app: &App, id: &LeaseId, named: Option<&NamedPorts>) -> Vec<PortView> {
    let (Some(named), Ok(domain)) = (named, domain(app)) else {
        return Vec::new();
    };
    let view = |port| PortView {
        link: None,
        ..view(app, domain, id, &named.name, port)
    };
    named.ports.iter().map(view).collect()
}

/// The same of one lease, from the store; none of a lease whose container is gone.
///
/// # Errors
/// The store failed.
pub async fn of_lease(app: &App, lease: &Lease) -> Result<Vec<PortView>, StoreError> {
    let id = &lease.lease_id;
    if app.config.ingress.is_none() || lease.state == LeaseState::Destroyed {
        return Ok(Vec::new());
    }
    let Some(named) = app.store.guest_name(id).await? else {
        return Ok(Vec::new());
    };
    let (name, ports) = (named.name, app.store.ports(id).await?);
    Ok(in_view(app, id, Some(&NamedPorts { name, ports })))
}

fn view(app: &App, domain: &GuestDomain, id: &LeaseId, name: &str, port: &Port) -> PortView {
    let url = domain.url(&name::label(port.port, name));
    let link = (port.access == PortAccess::Link).then(|| {
        let token = token::sign(&app.installation, id, port, TokenKind::Link);
        Secret::new(format!("{url}?{ACCESS_QUERY}={token}"))
    });
    PortView {
        port: port.port,
        access: port.access,
        url,
        link,
    }
}
