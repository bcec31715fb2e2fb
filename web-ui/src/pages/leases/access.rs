//! The way into a lease's container: a line where it is not SSH, with the button that sets SSH up.

use std::time::Duration;

use api_types::{GuestAccess, GuestRoute, LeaseView};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    components::{Toasts, Tone, words},
    engine::use_engine,
    state::lease::board::Board,
    text::files::access,
};

/// The longest time for which a container installs its server after the service has stopped to
/// wait; the button comes back then.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(330);

/// The line; nothing where SSH is used, or where the container does not run.
#[component]
pub fn AccessLine(
    /// The lease.
    lease: Memo<Option<LeaseView>>,
) -> impl IntoView {
    let obstacle = Memo::new(move |_| {
        lease.with(|lease| {
            let access = lease.as_ref()?.access.clone()?;
            (access.via == GuestRoute::Terminal).then_some(access)
        })
    });
    let shown = Memo::new(move |_| obstacle.with(Option::is_some));
    move || {
        shown
            .get()
            .then(|| view! { <Obstacle lease=lease obstacle=obstacle /> })
    }
}

/// The reason may become another one while SSH is set up; the button stays the same.
#[component]
fn Obstacle(lease: Memo<Option<LeaseView>>, obstacle: Memo<Option<GuestAccess>>) -> impl IntoView {
    let (engine, board, toasts) = (use_engine(), Board::get(), Toasts::get());
    let (busy, soon) = (RwSignal::new(false), RwSignal::new(false));
    let waits = Memo::new(move |_| busy.get() || soon.get());
    let set_up = move |_| {
        let Some(lease) = lease.get_untracked() else {
            return;
        };
        if waits.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            match engine.lease.set_up_access(&lease.lease_id).await {
                Ok(None) => {
                    soon.try_set(true);
                    set_timeout(
                        move || {
                            soon.try_set(false);
                        },
                        INSTALL_TIMEOUT,
                    );
                }
                Ok(Some(now)) if now.via == GuestRoute::Ssh => {
                    toasts.show(Tone::Success, access::ready(&lease.hostname));
                }
                Ok(Some(now)) => {
                    let reason = now.reason.unwrap_or_default();
                    toasts.show(Tone::Danger, access::failed(&reason));
                }
                Err(error) => toasts.show(Tone::Danger, error.to_string()),
            }
            busy.try_set(false);
            board.refresh();
        });
    };
    let label = move || {
        if waits.get() {
            access::SETTING_UP
        } else {
            access::SET_UP
        }
        .to_owned()
    };
    let reason = move || {
        let reason = obstacle.with(|obstacle| obstacle.as_ref()?.reason.clone());
        reason.unwrap_or_default()
    };
    let can_set_up = Memo::new(move |_| {
        obstacle.with(|obstacle| obstacle.as_ref().is_some_and(|access| access.can_set_up))
    });
    let button = move || {
        can_set_up.get().then(|| {
            view! {
                <button type="button" class="button small" aria-busy=move || waits.get().to_string()
                    aria-disabled=move || waits.get().to_string() on:click=set_up>{words(label)}</button>
            }
        })
    };
    view! {
        <div class="access">
            <p class="fine">{access::BY_TERMINAL} " " {reason}</p>
            {button}
            <p class="fine" role="status">{move || soon.get().then_some(access::SOON)}</p>
        </div>
    }
}
