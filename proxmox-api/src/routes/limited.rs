//! How often one caller may use the free routes that cost us something: `FREE_CALLS_PER_MINUTE`, all at once or spread, by the
//! caller's address. Paid routes need no such limit: what they cost us, they cost the caller.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use api_types::ErrorCode;
use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
};
use governor::{
    Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::DashMapStateStore,
};
use service::{clock::Clock, request_id::RequestId};

use crate::{App, error::ApiError};

/// Callers that are remembered before those who have been quiet for long are forgotten.
const REMEMBERED: usize = 10_000;

/// Who has called how often.
pub struct CallLimits {
    calls: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, ServiceTime, NoOpMiddleware<Nanos>>,
    time: ServiceTime,
}

/// The service's time as the limiter asks for it.
#[derive(Clone)]
struct ServiceTime(Arc<dyn Clock>);

impl governor::clock::Clock for ServiceTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.0.unix_millis()).into()
    }
}

impl CallLimits {
    /// Nobody has called so far.
    pub fn new(per_minute: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let (quota, time) = (Quota::per_minute(per_minute), ServiceTime(clock));
        Self {
            calls: RateLimiter::new(quota, DashMapStateStore::default(), time.clone()),
            time,
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// One too many; worth another try after this time.
    pub fn count(&self, caller: IpAddr) -> Result<(), Duration> {
        if self.calls.len() > REMEMBERED {
            self.calls.retain_recent();
        }
        let now = governor::clock::Clock::now(&self.time);
        self.calls
            .check_key(&network_of(caller))
            .map_err(|not_until| not_until.wait_time_from(now))
    }
}

/// Whoever has one address of version 6 has all that share its first half.
fn network_of(caller: IpAddr) -> IpAddr {
    match caller.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Counts every call of these routes; one too many is a 429 with `Retry-After`.
pub fn per_caller(routes: Router<App>, app: &App) -> Router<App> {
    routes.layer(middleware::from_fn_with_state(app.clone(), count))
}

async fn count(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // Without a socket, as in tests of the bare router, everybody is the same caller.
    let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.ip());
    let caller = caller(peer, request.headers(), app.config.trusted_proxies);
    let Err(wait) = app.free_calls.count(caller) else {
        return next.run(request).await;
    };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = "Too many requests from your address; wait a moment.";
    ApiError::new(ErrorCode::RateLimited, message)
        .retry_after(seconds.max(1))
        .respond(&id)
}

/// The peer, or behind proxies of ours what the outermost of them saw. What is further left in the header is the caller's
/// own claim.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let Some(skip) = proxies.checked_sub(1) else {
        return peer;
    };
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    forwarded
        .iter()
        .rev()
        .nth(skip)
        .and_then(|address| address.trim().parse().ok())
        .unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use service::clock::ManualClock;

    use super::*;

    #[test]
    fn a_caller_gets_its_calls_back_with_time_and_minds_nobody_else() {
        let clock = Arc::new(ManualClock::at(1_000));
        let limits = CallLimits::new(NonZeroU32::new(3).unwrap(), clock.clone());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..3 {
            limits.count(one).unwrap();
        }
        assert_eq!(limits.count(one), Err(Duration::from_secs(20)));
        limits.count(other).unwrap();
        clock.set(1_020);
        limits.count(one).unwrap();
        assert!(limits.count(one).is_err());
    }

    #[test]
    fn addresses_of_one_network_are_one_caller() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn only_what_our_own_proxies_added_is_believed() {
        let peer = IpAddr::from([10, 0, 0, 9]);
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("6.6.6.6, 1.2.3.4, 10.0.0.8");
        headers.insert("x-forwarded-for", value);
        let seen = |proxies| caller(peer, &headers, proxies).to_string();
        assert_eq!([0, 1, 2].map(seen), ["10.0.0.9", "10.0.0.8", "1.2.3.4"]);
        assert_eq!(
            seen(9),
            "10.0.0.9",
            "a header that is too short is no proof"
        );
    }
}
