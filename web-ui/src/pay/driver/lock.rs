//! One payment at a time in all tabs of this browser. The lock itself is the browser's (Web Locks) and ends with its tab; a
//! channel tells the other tabs, so that they can say why they wait. Whether they still have to is asked of the browser, which
//! knows of a tab that ended without a word.

use std::cell::Cell;

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{BroadcastChannel, MessageEvent};

use super::DRIVER;
use crate::engine::clock;

const NAME: &str = "infra402.payment";
const BUSY: &str = "busy";
const IDLE: &str = "idle";
const ASK: &str = "ask";
/// How long between two looks at the lock of another tab, in seconds.
const LOOK: u32 = 2;

/// Holds the lock until it is dropped.
pub(super) struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            // Resolving a promise does not fail.
            let _ = release.call0(&JsValue::NULL);
            MINE.set(false);
        }
    }
}

/// Takes the lock, unless another tab has it. What this tab itself still does with it is waited for. A page without a secure origin has no locks to take, and goes without.
pub(super) async fn acquire() -> Option<Lock> {
    let Some((locks, request)) = manager() else {
        return Some(Lock(None));
    };
    let granted = Promise::new(&mut |resolve, _| {
        let given = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            if lock.is_null() {
                let _ = resolve.call1(&JsValue::NULL, &JsValue::NULL);
                return JsValue::UNDEFINED;
            }
            // The lock is held for as long as this promise is open.
            let held = Promise::new(&mut |release, _| {
                let _ = resolve.call1(&JsValue::NULL, &release);
            });
            held.into()
        });
        let options = Object::new();
        let _ = Reflect::set(&options, &"ifAvailable".into(), &(!MINE.get()).into());
        let _ = request.call3(&locks, &NAME.into(), &options, &given);
    });
    let release = JsFuture::from(granted).await.ok()?;
    let release = release.dyn_into().ok()?;
    MINE.set(true);
    Some(Lock(Some(release)))
}

/// Another tab pays: this one waits until that tab says, or the browser knows, that it is over.
pub(super) fn is_elsewhere(elsewhere: RwSignal<bool>) {
    elsewhere.set(true);
    DRIVER.then(move |driver| {
        // Without it, the word of the other tab has to do.
        if let Ok(driver) = driver {
            (driver.watch)(elsewhere);
        }
    });
}

/// Looks now and then whether another tab still has the lock.
pub(super) fn watch(elsewhere: RwSignal<bool>) {
    if manager().is_none() {
        return;
    }
    spawn_local(async move {
        while elsewhere.get_untracked() {
            clock::pause(LOOK).await;
            if !is_held_elsewhere().await {
                elsewhere.set(false);
            }
        }
    });
}

async fn is_held_elsewhere() -> bool {
    held()
        .await
        .is_some_and(|names| names.includes(&NAME.into(), 0))
        && !MINE.get()
}

/// The names of the locks that are held in any tab.
async fn held() -> Option<Array> {
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
pub(super) fn tell_others(busy: bool) {
    say(if busy { BUSY } else { IDLE });
}

/// Listens to the other tabs, answers those that ask, and asks once.
pub(super) fn hear_others(elsewhere: RwSignal<bool>, busy: impl Fn() -> bool + 'static) {
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match event.data().as_string().as_deref() {
            Some(BUSY) => is_elsewhere(elsewhere),
            Some(IDLE) => elsewhere.set(false),
            Some(ASK) if busy() => say(BUSY),
            _ => {}
        }
    });
    CHANNEL.with(|channel| {
        if let Some(channel) = channel {
            channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        }
    });
    heard.forget();
    // A tab that goes does not pay any more.
    let leaving = Closure::<dyn FnMut()>::new(|| say(IDLE));
    let window = window();
    if window
        .add_event_listener_with_callback("pagehide", leaving.as_ref().unchecked_ref())
        .is_ok()
    {
        leaving.forget();
    }
    say(ASK);
}

thread_local! {
    /// One for the page: a second one would hear what the first one says.
    static CHANNEL: Option<BroadcastChannel> = BroadcastChannel::new(NAME).ok();
    /// Whether this tab has the lock.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

fn say(word: &str) {
    CHANNEL.with(|channel| {
        if let Some(channel) = channel {
            // A closed channel has nobody on the other side.
            let _ = channel.post_message(&word.into());
        }
    });
}
