//! The meter of the remaining time, with its countdown.

use api_types::LeaseView;
use leptos::prelude::*;

use crate::{
    format::{countdown, duration, percent},
    state::{
        lease::clock::{Urgency, read_meter},
        now::Now,
    },
    text::leases,
};

/// The meter. The countdown beside it tells in words what its colour means.
#[component]
pub fn TimeMeter(
    /// The lease.
    lease: Memo<Option<LeaseView>>,
) -> impl IntoView {
    let now = Now::get();
    let meter = Memo::new(move |_| {
        let now = now.get();
        lease.with(|lease| lease.as_ref().map(|lease| read_meter(lease, now)))
    });
    let urgency = Memo::new(move |_| meter.get().map_or(Urgency::None, |meter| meter.urgency));
    // After the expiry, the meter shows the time until the data is deleted.
    let label = move || match urgency.get() {
        Urgency::Over => leases::DATA_LEFT,
        _ => leases::TIME_LEFT,
    };
    let share = move || meter.get().map_or(0.0, |meter| meter.left);
    let words = move || {
        let meter = meter.get()?;
        let now = now.get();
        match (meter.urgency, meter.until) {
            (Urgency::Over, Some(until)) => {
                let left = until.unix().saturating_sub(now);
                Some(leases::deletes_in(&duration(left)))
            }
            (Urgency::Over, None) => Some(leases::OVER.to_owned()),
            (Urgency::None, _) => None,
            (_, until) => Some(format!("{} {}", countdown(until?, now), leases::LEFT)),
        }
    };
    move || {
        (urgency.get() != Urgency::None).then(|| {
            view! {
                <div class="meter" data-urgency=move || urgency.get().name()>
                    <div class="meter-track" role="meter" aria-label=label aria-valuemin="0" aria-valuemax="1"
                        aria-valuenow=move || format!("{:.2}", share()) aria-valuetext=move || words().unwrap_or_else(|| percent(share()))>
                        <div class="meter-fill" style:width=move || format!("{:.2}%", share() * 100.0)></div>
                    </div>
                    <p class="meter-words number" translate="no" prop:textContent=move || words().unwrap_or_default()></p>
                </div>
            }
        })
    }
}
