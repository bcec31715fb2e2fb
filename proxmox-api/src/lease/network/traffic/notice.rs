//! What a customer is told of a lease that is slowed, cut off or stopped for its traffic.

use api_types::TrafficStep;

use super::included;
use crate::{state::App, store::Traffic};

/// A sentence or two; `None` where nothing is the matter.
pub fn notice(app: &App, traffic: &Traffic) -> Option<String> {
    let gib = included(app, traffic).unwrap_or(0) as f64 / f64::from(1 << 30);
    let has_sent = format!("than twice the {gib:.1} GiB that are included");
    let what = match traffic.step {
        TrafficStep::Full => return None,
        TrafficStep::Slowed => format!(
            "The container has sent more than the {gib:.1} GiB that are included, so its network is \
             slowed to 1 Mbit/s."
        ),
        TrafficStep::Cut => {
            format!("The container has sent more {has_sent}, so its network is cut off.")
        }
        TrafficStep::Stopped => format!(
            "The container has sent more {has_sent}, and ran on for {} hours without a network, so \
             it is stopped; its files are kept.",
            app.config.tenants.traffic_stop_hours
        ),
    };
    Some(format!(
        "{what}{}",
        way_out(app, traffic).unwrap_or_default()
    ))
}

/// How long a renewal has to be for the network to be as it was, and for it to come back slowed.
fn way_out(app: &App, traffic: &Traffic) -> Option<String> {
    let sent = traffic.counted.sent;
    let more = |bytes: u64| {
        let minutes = app.config.tenants.minutes_including(bytes)?;
        Some(minutes.saturating_sub(traffic.minutes).max(1))
    };
    let whole = more(sent.saturating_add(1))?;
    let text = format!(" A renewal for {whole} minutes or more gives it back its full speed");
    let slowed = more(sent / 2 + 1)?;
    match traffic.step {
        TrafficStep::Cut | TrafficStep::Stopped if slowed < whole => {
            Some(format!("{text}, for {slowed} or more 1 Mbit/s."))
        }
        _ => Some(format!("{text}.")),
    }
}
