//! Saving a file among the downloads of the browser.

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::{Blob, HtmlAnchorElement, Url};

/// Saves content as a file. If the browser creates no address for it, nothing is saved.
pub fn save(content: &Blob, name: &str) {
    let Ok(url) = Url::create_object_url_with_blob(content) else {
        return;
    };
    let link = document()
        .create_element("a")
        .ok()
        .and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(&url);
        link.set_download(name);
        link.click();
    }
    // Revoking an address of our own does not fail.
    let _ = Url::revoke_object_url(&url);
}
