//! One payment at a time in all tabs of this browser. The lock is the browser's (Web Locks), which
//! releases it when its tab closes. A broadcast channel tells the other tabs why they wait. They
//! also ask the browser whether the lock is still held, because a tab can close without a message.

use std::cell::Cell;

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{BroadcastChannel, MessageEvent};

use super::PAY_DRIVER;
use crate::browser::clock;

const NAME: &str = "infra402.payment";
const BUSY: &str = "busy";
const IDLE: &str = "idle";
const ASK: &str = "ask";
/// The pause between two checks of another tab's lock, in seconds.
const CHECK_PAUSE: u32 = 2;

/// Holds the lock until it is dropped.
pub(super) struct LockGuard(Option<Function>);

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            // Resolving a promise does not fail.
            let _ = release.call0(&JsValue::NULL);
            IS_HELD_HERE.set(false);
        }
    }
}

/// Takes the lock, unless another tab holds it. If this tab itself holds it, waits until it is
/// released. A page without a secure origin has no Web Locks and works without them.
pub(super) async fn acquire() -> Option<LockGuard> {
    let Some((locks, request)) = manager() else {
        return Some(LockGuard(None));
    };
    let granted = Promise::new(&mut |resolve, _| {
        let given = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            if lock.is_null() {
                let _ = resolve.call1(&JsValue::NULL, &JsValue::NULL);
                return JsValue::UNDEFINED;
            }
            // The browser holds the lock until this promise is resolved.
            let held = Promise::new(&mut |release, _| {
                let _ = resolve.call1(&JsValue::NULL, &release);
            });
            held.into()
        });
        let options = Object::new();
        let _ = Reflect::set(
            &options,
            &"ifAvailable".into(),
            &(!IS_HELD_HERE.get()).into(),
        );
        let _ = request.call3(&locks, &NAME.into(), &options, &given);
    });
    let release = JsFuture::from(granted).await.ok()?;
    let release = release.dyn_into().ok()?;
    IS_HELD_HERE.set(true);
    Some(LockGuard(Some(release)))
}

/// Another tab pays: waits for its message, or for the browser to release its lock.
pub(super) fn wait_for_other_tab(other_tab_pays: RwSignal<bool>) {
    other_tab_pays.set(true);
    PAY_DRIVER.then(move |driver| {
        // If the chunk cannot be loaded, only the message of the other tab ends the wait.
        if let Ok(driver) = driver {
            (driver.watch_other_tabs)(other_tab_pays);
        }
    });
}

/// Checks regularly whether another tab still holds the lock, until none does.
pub(crate) fn watch_other_tabs(other_tab_pays: RwSignal<bool>) {
    if manager().is_none() {
        return;
    }
    spawn_local(async move {
        while other_tab_pays.get_untracked() {
            clock::pause(CHECK_PAUSE).await;
            if !is_held_by_other_tab().await {
                other_tab_pays.set(false);
            }
        }
    });
}

async fn is_held_by_other_tab() -> bool {
    held_locks()
        .await
        .is_some_and(|names| names.includes(&NAME.into(), 0))
        && !IS_HELD_HERE.get()
}

/// The names of the locks that are held in any tab.
async fn held_locks() -> Option<Array> {
    let (locks, _) = manager()?;
    let query: Function = Reflect::get(&locks, &"query".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let answer: Promise = query.call0(&locks).ok()?.dyn_into().ok()?;
    let answer = JsFuture::from(answer).await.ok()?;
    let held: Array = Reflect::get(&answer, &"held".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let name = |lock: JsValue| Reflect::get(&lock, &"name".into()).ok();
    Some(held.iter().filter_map(name).collect())
}

fn manager() -> Option<(JsValue, Function)> {
    let locks = Reflect::get(&window().navigator(), &"locks".into()).ok()?;
    if !locks.is_object() {
        return None;
    }
    let request = Reflect::get(&locks, &"request".into()).ok()?;
    Some((locks, request.dyn_into().ok()?))
}

/// Tells the other tabs whether this one pays.
pub(super) fn tell_other_tabs(busy: bool) {
    send(if busy { BUSY } else { IDLE });
}

/// Listens to the other tabs, answers their questions, and asks once.
pub(super) fn listen_to_other_tabs(
    other_tab_pays: RwSignal<bool>,
    busy: impl Fn() -> bool + 'static,
) {
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match event.data().as_string().as_deref() {
            Some(BUSY) => wait_for_other_tab(other_tab_pays),
            Some(IDLE) => other_tab_pays.set(false),
            Some(ASK) if busy() => send(BUSY),
            _ => {}
        }
    });
    CHANNEL.with(|channel| {
        if let Some(channel) = channel {
            channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        }
    });
    heard.forget();
    // A tab that closes does not pay any more.
    let leaving = Closure::<dyn FnMut()>::new(|| send(IDLE));
    let window = window();
    if window
        .add_event_listener_with_callback("pagehide", leaving.as_ref().unchecked_ref())
        .is_ok()
    {
        leaving.forget();
    }
    send(ASK);
}

thread_local! {
    /// One for the page, because a second one would receive the messages of the first.
    static CHANNEL: Option<BroadcastChannel> = BroadcastChannel::new(NAME).ok();
    /// Whether this tab holds the lock.
    static IS_HELD_HERE: Cell<bool> = const { Cell::new(false) };
}

fn send(message: &str) {
    CHANNEL.with(|channel| {
        if let Some(channel) = channel {
            // A closed channel has no receivers.
            let _ = channel.post_message(&message.into());
        }
    });
}
