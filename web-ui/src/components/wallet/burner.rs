//! The burner wallet: creating, using, exporting, importing and deleting it.

use leptos::{prelude::*, task::spawn_local};

use super::WalletOverlay;
use crate::{
    components::{Copyable, Glyph, Icon, Notice, ScrollIntoView, Toasts, Tone},
    engine::use_engine,
    format::short_address,
    text::{shell, wallet::burner},
    wallet::{WalletKind, WalletWait, info::BURNER},
};

/// The burner wallet's section of the dialog.
#[component]
pub fn BurnerPanel() -> impl IntoView {
    let engine = use_engine();
    let wallet = engine.wallet.burner();
    let (address, allowed) = (wallet.address(), wallet.allowed());
    // An update of the catalog must not remove what is being typed.
    let stored = Memo::new(move |_| allowed.get().then(|| address.get()));
    let body = move || match stored.get() {
        None => view! { <p class="muted">{burner::NOT_ALLOWED}</p> }.into_any(),
        Some(Some(address)) => view! { <Owned address=address /> }.into_any(),
        Some(None) => view! { <Absent /> }.into_any(),
    };
    view! {
        <section class="burner divided">
            <h3>{burner::TITLE}</h3>
            <p class="muted">{burner::HELP}</p>
            {body}
        </section>
    }
}

fn connector(overlay: WalletOverlay) -> impl Fn() + Copy + 'static {
    let engine = use_engine();
    let toasts = Toasts::get();
    move || {
        spawn_local(async move {
            match engine.wallet.connect(BURNER, &WalletWait::default()).await {
                Ok(_) => overlay.is_open().set(false),
                Err(error) => toasts.show(Tone::Warning, error.to_string()),
            }
        });
    }
}

#[component]
fn Absent() -> impl IntoView {
    let wallet = use_engine().wallet.burner();
    let problem = RwSignal::new(None::<String>);
    let connect = connector(WalletOverlay::get());
    let create = move |_| match wallet.create() {
        Ok(_) => connect(),
        Err(error) => problem.set(Some(error.to_string())),
    };
    view! {
        <div class="actions">
            <button type="button" class="button primary" on:click=create><Icon glyph=Glyph::Plus />{burner::CREATE}</button>
        </div>
        <div role="status">{move || problem.get().map(|text| view! { <Notice tone=Tone::Warning><p>{text}</p></Notice> })}</div>
        <Import />
    }
}

#[component]
fn Owned(address: String) -> impl IntoView {
    let engine = use_engine();
    let connect = connector(WalletOverlay::get());
    let account = engine.wallet.account();
    let in_use = move || {
        account.with(|account| {
            account
                .as_ref()
                .is_some_and(|account| account.wallet.kind == WalletKind::Burner)
        })
    };
    let use_button = move || {
        (!in_use()).then(|| view! { <button type="button" class="button primary" on:click=move |_| connect()>{burner::USE}</button> })
    };
    view! {
        <p class="burner-address"><Copyable name=burner::ADDRESS short=short_address(&address) value=address /></p>
        <div class="actions">{use_button}</div>
        <details class="more">
            <summary>{burner::MANAGE}<Icon glyph=Glyph::Chevron /></summary>
            <Export />
            <Delete />
            <Import />
        </details>
    }
}

#[component]
fn Export() -> impl IntoView {
    let wallet = use_engine().wallet.burner();
    let shown = RwSignal::new(false);
    let key = move || {
        let key = shown.get().then(|| wallet.export()).flatten()?;
        let plain = key.expose().to_owned();
        Some(view! {
            <ScrollIntoView><p class="key"><Copyable name=burner::KEY value=plain /></p></ScrollIntoView>
        })
    };
    view! {
        <div class="actions">
            <button type="button" class="button small" aria-pressed=move || shown.get().to_string() on:click=move |_| shown.update(|shown| *shown = !*shown)>
                <Icon glyph=Glyph::Key />{move || if shown.get() { burner::HIDE } else { burner::EXPORT }}
            </button>
        </div>
        {key}
    }
}

#[component]
fn Delete() -> impl IntoView {
    let engine = use_engine();
    let toasts = Toasts::get();
    let asking = RwSignal::new(false);
    let delete = move |_| {
        engine.wallet.burner().delete();
        let connected = engine.wallet.account().get_untracked();
        if connected.is_some_and(|account| account.wallet.kind == WalletKind::Burner) {
            engine.wallet.disconnect();
        }
        toasts.show(Tone::Info, burner::DELETED);
    };
    move || {
        if asking.get() {
            view! {
                <ScrollIntoView>
                    <Notice tone=Tone::Warning>
                        <p role="alert">{burner::DELETE_ASK}</p>
                        <div class="actions">
                            <button type="button" class="button danger small" on:click=delete>{burner::DELETE_DO}</button>
                            <button type="button" class="button small" on:click=move |_| asking.set(false)>{shell::CANCEL}</button>
                        </div>
                    </Notice>
                </ScrollIntoView>
            }
            .into_any()
        } else {
            view! {
                <div class="actions">
                    <button type="button" class="button small" on:click=move |_| asking.set(true)><Icon glyph=Glyph::Bin />{burner::DELETE}</button>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn Import() -> impl IntoView {
    let wallet = use_engine().wallet.burner();
    let connect = connector(WalletOverlay::get());
    let key = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<String>);
    let asking = RwSignal::new(false);
    let import = move || match wallet.import(&key.get_untracked()) {
        Ok(_) => {
            asking.set(false);
            key.set(String::new());
            connect();
        }
        Err(error) => {
            asking.set(false);
            problem.set(Some(error.to_string()));
        }
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        match wallet.replaces(&key.get_untracked()) {
            Ok(true) => asking.set(true),
            Ok(false) => import(),
            Err(error) => problem.set(Some(error.to_string())),
        }
    };
    let question = move || {
        asking.get().then(|| {
            view! {
                <ScrollIntoView>
                    <Notice tone=Tone::Warning>
                        <p role="alert">{burner::REPLACE_ASK}</p>
                        <Export />
                        <div class="actions">
                            <button type="button" class="button danger small" on:click=move |_| import()>{burner::REPLACE_DO}</button>
                            <button type="button" class="button small" on:click=move |_| asking.set(false)>{shell::CANCEL}</button>
                        </div>
                    </Notice>
                </ScrollIntoView>
            }
        })
    };
    view! {
        <form class="import" on:submit=submit>
            <label class="field">
                <span>{burner::IMPORT}</span>
                <input type="password" autocomplete="off" spellcheck="false" placeholder=burner::IMPORT_LABEL prop:value=key
                    on:input=move |event| { key.set(event_target_value(&event)); problem.set(None); asking.set(false); } />
            </label>
            <p class="field-problem" role="status">{move || problem.get()}</p>
            {question}
            {move || (!asking.get()).then(|| view! {
                <button type="submit" class="button small" disabled=move || key.with(String::is_empty)>{burner::IMPORT_DO}</button>
            })}
        </form>
    }
}
