//! Members of JavaScript objects by their names. Each member that `web_sys` imports is in the glue
//! script, which is part of a first visit; those that only a lazily loaded chunk uses are called
//! with these functions.

use js_sys::{Array, Function, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};

/// A new object of one of the browser's classes that takes no arguments.
///
/// # Errors
/// The browser has no such class.
pub fn construct(class: &str) -> Result<JsValue, JsValue> {
    let class: Function = get(&window(), class).dyn_into()?;
    Reflect::construct(&class, &Array::new())
}

/// A property; undefined if the object has none of this name.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A property that is a number; zero if the object has none of this name.
pub fn get_number(object: &JsValue, name: &str) -> u64 {
    get(object, name).as_f64().unwrap_or_default() as u64
}

/// A property that is a text; empty if the object has none of this name.
pub fn get_text(object: &JsValue, name: &str) -> String {
    get(object, name).as_string().unwrap_or_default()
}

/// Calls a method.
///
/// # Errors
/// The object has no such method, or the method threw.
pub fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = get(object, method).dyn_into()?;
    let list = Array::new();
    for argument in arguments {
        list.push(argument);
    }
    method.apply(object, &list)
}
