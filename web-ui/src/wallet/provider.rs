//! A wallet's provider (EIP-1193): one method for requests, and events.

use js_sys::{Array, Function, Object, Promise, Reflect};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

use super::WalletError;

/// A provider that a wallet has put into the page.
#[derive(Clone, Debug)]
pub struct Provider(JsValue);

impl Provider {
    /// The object as a provider, if it has the method `request`.
    pub fn from_object(object: JsValue) -> Option<Self> {
        let provider = Self(object);
        provider.method("request").is_some().then_some(provider)
    }

    /// Whether both are the same object.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn method(&self, name: &str) -> Option<Function> {
        if !self.0.is_object() {
            return None;
        }
        Reflect::get(&self.0, &name.into()).ok()?.dyn_into().ok()
    }

    /// Sends a request and returns the wallet's answer as it is.
    ///
    /// # Errors
    /// The wallet's error, read from its code or its message.
    pub async fn request(&self, method: &str, params: &Value) -> Result<JsValue, WalletError> {
        let ask = self.method("request").ok_or(WalletError::NoWallet)?;
        let params = js_sys::JSON::parse(&params.to_string()).map_err(|e| rejection(&e))?;
        let argument = Object::new();
        for (name, value) in [("method", method.into()), ("params", params)] {
            Reflect::set(&argument, &name.into(), &value).map_err(|e| rejection(&e))?;
        }
        let asked = ask.call1(&self.0, &argument).map_err(|e| rejection(&e))?;
        // Some wallets return the answer itself instead of a promise.
        JsFuture::from(Promise::resolve(&asked))
            .await
            .map_err(|e| rejection(&e))
    }

    /// Sends a request whose answer is a text.
    ///
    /// # Errors
    /// As [`Self::request`], or the answer is not a text.
    pub async fn request_text(&self, method: &str, params: &Value) -> Result<String, WalletError> {
        let answer = self.request(method, params).await?;
        answer
            .as_string()
            .ok_or_else(|| WalletError::Failed(format!("{method} gave no text")))
    }

    /// Listens to an event for as long as the page lives.
    pub fn on(&self, event: &str, heard: impl FnMut(JsValue) + 'static) {
        let Some(on) = self.method("on") else {
            return;
        };
        let listener = Closure::<dyn FnMut(JsValue)>::new(heard);
        if on
            .call2(&self.0, &event.into(), listener.as_ref().unchecked_ref())
            .is_ok()
        {
            listener.forget();
        }
    }
}

/// The addresses in an answer of a wallet.
pub fn addresses(answer: &JsValue) -> Vec<String> {
    let Some(list) = answer.dyn_ref::<Array>() else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| super::info::checksummed(&item.as_string()?))
        .collect()
}

/// The chain id in an answer of a wallet: a text or a number.
pub fn chain_id(answer: &JsValue) -> Option<u64> {
    match answer.as_string() {
        Some(text) => super::info::chain_id(&text),
        None => answer.as_f64().map(|number| number as u64),
    }
}

fn rejection(error: &JsValue) -> WalletError {
    let member = |object: &JsValue, name: &str| {
        object
            .is_object()
            .then(|| Reflect::get(object, &name.into()).ok())
            .flatten()
    };
    let code = |object: &JsValue| member(object, "code").and_then(|code| code.as_f64());
    let message = member(error, "message").and_then(|message| message.as_string());
    // Some wallets wrap the cause: `{code: -32603, data: {originalError: {code: 4902}}}`.
    let inner = member(error, "data").and_then(|data| member(&data, "originalError"));
    let code = inner.as_ref().and_then(code).or_else(|| code(error));
    let words = message.or_else(|| error.as_string()).unwrap_or_default();
    WalletError::from_rejection(code.map(|code| code as i64), &words)
}
