//! Finds the browser's wallets: those that announce themselves (EIP-6963), at any time, and the one
//! that an older wallet puts at `window.ethereum`.

use js_sys::Reflect;
use leptos::prelude::window;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{CustomEvent, Event};

use super::{info::WalletInfo, provider::Provider};

/// Calls `found` for each wallet that announces itself, now and later.
pub fn listen(found: impl Fn(WalletInfo, Provider) + 'static) {
    let heard = Closure::<dyn FnMut(CustomEvent)>::new(move |event: CustomEvent| {
        if let Some((info, provider)) = read_announcement(&event.detail()) {
            found(info, provider);
        }
    });
    let window = window();
    let added = window.add_event_listener_with_callback(
        "eip6963:announceProvider",
        heard.as_ref().unchecked_ref(),
    );
    if added.is_ok() {
        heard.forget();
    }
    if let Ok(ask) = Event::new("eip6963:requestProvider") {
        // Each wallet answers by announcing itself.
        let _ = window.dispatch_event(&ask);
    }
}

/// The wallet at `window.ethereum`, if there is one.
pub fn legacy() -> Option<Provider> {
    Provider::from_object(get(&window(), "ethereum")?)
}

fn read_announcement(detail: &JsValue) -> Option<(WalletInfo, Provider)> {
    let info = get(detail, "info")?;
    let text = |name: &str| get(&info, name).and_then(|value| value.as_string());
    let wallet = WalletInfo::from_announcement(
        &text("rdns")?,
        &text("name").unwrap_or_default(),
        &text("icon").unwrap_or_default(),
    )?;
    Some((wallet, Provider::from_object(get(detail, "provider")?)?))
}

fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    if !object.is_object() {
        return None;
    }
    let value = Reflect::get(object, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}
