//! The meter of the time that is left, with its countdown.

use api_types::LeaseView;
use leptos::prelude::*;

use crate::{
    format::{countdown, duration, percent},
    state::{
        lease_clock::{Urgency, read},
        now::Now,
    },
    text::leases,
};

/// The meter. Its colour is said in words as well: the countdown is right beside it.
#[component]
pub fn TimeMeter(
    /// The lease.
    lease: Memo<Option<LeaseView>>,
) -> impl IntoView {
    let now = Now::get();
    let reading = Memo::new(move |_| {
        let now = now.get();
        lease.with(|lease| lease.as_ref().map(|lease| read(lease, now)))
    });
    let urgency = Memo::new(move |_| {
        reading
            .get()
            .map_or(Urgency::None, |reading| reading.urgency)
    });
    // After the paid time, the meter is that of the data.
    let label = move || match urgency.get() {
        Urgency::Over => leases::DATA_LEFT,
        _ => leases::TIME_LEFT,
    };
    let share = move || reading.get().map_or(0.0, |reading| reading.left);
    let words = move || {
        let reading = reading.get()?;
        let now = now.get();
        match (reading.urgency, reading.until) {
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
