//! Renewing a lease: the time, its price, and the new expiry.

use api_types::{LeaseView, RenewResponse, Size, Timestamp, price::price_renew};
use leptos::prelude::*;

use super::slider::StopSlider;
use crate::{
    components::{
        Toasts, Tone, local_time,
        pay::{PriceLines, Purchase},
    },
    format::minutes,
    pay::PaidOperation,
    state::{
        lease::{board::Board, form::SliderStops},
        now::Now,
        services::Services,
    },
    text::{leases, leases::form},
};

/// The panel.
#[component]
pub fn RenewPanel(
    /// The lease.
    lease: Memo<Option<LeaseView>>,
    /// Called once it is renewed.
    #[prop(into)]
    on_done: Callback<()>,
) -> impl IntoView {
    let catalog = Services::get().catalog();
    let now = Now::get();
    let toasts = Toasts::get();
    let board = Board::get();
    let time = RwSignal::new(60);
    let purchase = Purchase::new(move |receipt| {
        board.refresh();
        if let Some(renewed) = receipt.read::<RenewResponse>() {
            toasts.show(
                Tone::Success,
                leases::renewed(&local_time(renewed.expires_at)),
            );
        }
        on_done.run(());
    });
    let price = Memo::new(move |_| {
        let catalog = catalog.get()?;
        let size = lease.with(|lease| {
            let lease = lease.as_ref()?;
            Some(Size {
                cores: lease.cores,
                memory_mb: lease.memory_mb,
                disk_gb: lease.disk_gb,
            })
        })?;
        price_renew(&catalog.rates, size, time.get()).ok()
    });
    let until = move || {
        let end = lease.with(|lease| lease.as_ref().and_then(|lease| lease.expires_at))?;
        let from = Timestamp(end.unix().max(now.get()));
        Some(local_time(from.plus_minutes(time.get())))
    };
    let renew = move |_| {
        if let Some(ctid) = lease.with_untracked(|lease| lease.as_ref().map(|lease| lease.ctid)) {
            purchase.start(PaidOperation::Renew {
                ctid,
                minutes: time.get_untracked(),
            });
        }
    };
    let slider = move || {
        let limits = catalog
            .with(|catalog| catalog.as_ref().map(|catalog| catalog.limits.clone()))
            .unwrap_or_default();
        view! { <StopSlider label=leases::RENEW_BY stops=SliderStops::time(&limits) value=time words=minutes /> }
    };
    view! {
        <div class="panel">
            {slider}
            {move || price.get().map(|price| view! { <PriceLines price=price /> })}
            <p class="muted">{leases::RENEW_UNTIL} " " <span class="number" translate="no" prop:textContent=move || until().unwrap_or_default()></span></p>
            <button type="button" class="button primary" on:click=renew>{form::CONTINUE}</button>
        </div>
    }
}
