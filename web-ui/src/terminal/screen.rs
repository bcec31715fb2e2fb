//! The emulator: xterm.js behind the few methods of the glue script (`terminal/terminal.js`).

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlElement, HtmlScriptElement};

use crate::text::leases::terminal;

const GLUE: &str = "infra402Terminal";

/// A terminal on the page. It is removed when this is dropped.
pub(super) struct Screen {
    object: JsValue,
    _callbacks: [JsValue; 3],
    _data: Closure<dyn FnMut(String)>,
    _size: Closure<dyn FnMut(u32, u32)>,
    _paste: Closure<dyn FnMut(String)>,
}

/// Loads the emulator, once for the page.
///
/// # Errors
/// The reason for people: this build has no emulator, or it could not be loaded.
pub async fn load() -> Result<(), String> {
    if glue().is_some() {
        return Ok(());
    }
    let meta = document()
        .query_selector("meta[name=terminal-script]")
        .ok()
        .flatten();
    let source = meta.and_then(|meta| meta.get_attribute("content"));
    let source = source
        .filter(|source| !source.is_empty())
        .ok_or(terminal::MISSING)?;
    let failed = || terminal::NOT_LOADED.to_owned();
    let script: HtmlScriptElement = document()
        .create_element("script")
        .ok()
        .and_then(|element| element.dyn_into().ok())
        .ok_or_else(failed)?;
    script.set_type("module");
    script.set_src(&source);
    let loaded = Promise::new(&mut |resolve, reject| {
        script.set_onload(Some(&resolve));
        script.set_onerror(Some(&reject));
        if let Some(head) = document().head() {
            // Every page has a head. Without one, neither event would come.
            let _ = head.append_child(&script);
        }
    });
    JsFuture::from(loaded).await.map_err(|_| failed())?;
    glue().map(drop).ok_or_else(failed)
}

fn glue() -> Option<JsValue> {
    let glue = Reflect::get(&window(), &GLUE.into()).ok()?;
    glue.is_object().then_some(glue)
}

impl Screen {
    /// Opens a terminal in an element.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) fn open(
        host: &HtmlElement,
        typed: impl FnMut(String) + 'static,
        mut resized: impl FnMut((u32, u32)) + 'static,
        pasted: impl FnMut(String) + 'static,
    ) -> Result<Self, String> {
        let data = Closure::<dyn FnMut(String)>::new(typed);
        let size =
            Closure::<dyn FnMut(u32, u32)>::new(move |columns, rows| resized((columns, rows)));
        let paste = Closure::<dyn FnMut(String)>::new(pasted);
        let failed = |_| terminal::NOT_OPENED.to_owned();
        let glue = glue().ok_or(terminal::NOT_LOADED)?;
        let open: Function = Reflect::get(&glue, &"open".into())
            .and_then(JsCast::dyn_into)
            .map_err(failed)?;
        let callbacks = [
            data.as_ref().clone(),
            size.as_ref().clone(),
            paste.as_ref().clone(),
        ];
        let arguments = Array::of4(host, &callbacks[0], &callbacks[1], &callbacks[2]);
        let object = open.apply(&glue, &arguments).map_err(failed)?;
        Ok(Self {
            object,
            _callbacks: callbacks,
            _data: data,
            _size: size,
            _paste: paste,
        })
    }

    /// Shows bytes.
    pub(super) fn write(&self, bytes: &Uint8Array) {
        self.call("write", Some(bytes));
    }

    /// Pastes a text.
    pub(super) fn paste(&self, text: &str) {
        self.call("paste", Some(&text.into()));
    }

    /// Takes the focus.
    pub(super) fn focus(&self) {
        self.call("focus", None);
    }

    /// Adapts to the size of its element.
    pub(super) fn fit(&self) {
        self.call("fit", None);
    }

    /// The number of columns and rows.
    pub(super) fn size(&self) -> (u32, u32) {
        let size = self
            .call("size", None)
            .and_then(|size| size.dyn_into::<Array>().ok());
        let number = |index| {
            let number = size.as_ref().and_then(|size| size.get(index).as_f64());
            number.map(|number| number as u32)
        };
        (number(0).unwrap_or(80), number(1).unwrap_or(24))
    }

    fn call(&self, name: &str, argument: Option<&JsValue>) -> Option<JsValue> {
        let method: Function = Reflect::get(&self.object, &name.into())
            .ok()?
            .dyn_into()
            .ok()?;
        match argument {
            Some(argument) => method.call1(&self.object, argument),
            None => method.call0(&self.object),
        }
        .ok()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.call("dispose", None);
    }
}
