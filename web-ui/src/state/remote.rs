//! A value of a service: the last response, and whether the last request failed.

use std::future::Future;

use leptos::{prelude::*, task::spawn_local};

use crate::http::RequestError;

/// A value of a service. The last response stays while a newer one is requested, or if that request
/// fails.
pub struct Remote<T: 'static> {
    value: RwSignal<Option<T>>,
    error: RwSignal<Option<RequestError>>,
    loading: RwSignal<bool>,
    /// Changes when the value is cleared, so that responses to older requests are ignored.
    generation: RwSignal<u64>,
}

impl<T> Clone for Remote<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Remote<T> {}

impl<T: Clone + PartialEq + Send + Sync + 'static> Default for Remote<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Remote<T> {
    /// A value that was not requested yet.
    pub fn new() -> Self {
        Self {
            value: RwSignal::new(None),
            error: RwSignal::new(None),
            loading: RwSignal::new(false),
            generation: RwSignal::new(0),
        }
    }

    /// Sends a request, unless one is under way.
    pub fn request(self, request: impl Future<Output = Result<T, RequestError>> + 'static) {
        if self.loading.get_untracked() {
            return;
        }
        self.loading.set(true);
        let generation = self.generation.get_untracked();
        spawn_local(async move {
            let response = request.await;
            // The view may be gone, and its signals with it.
            if self.generation.try_get_untracked() != Some(generation) {
                return;
            }
            match response {
                Ok(value) => {
                    // An equal response redraws nothing.
                    if self
                        .value
                        .with_untracked(|known| known.as_ref() != Some(&value))
                    {
                        self.value.set(Some(value));
                    }
                    self.error.set(None);
                }
                Err(error) => self.error.set(Some(error)),
            }
            self.loading.set(false);
        });
    }

    /// Changes the value by the response to another request. A response that is under way is older
    /// and is ignored.
    pub fn change(self, change: impl FnOnce(&mut T)) {
        self.value.update(|value| {
            if let Some(value) = value {
                change(value);
            }
        });
        self.loading.set(false);
        self.generation.update(|generation| *generation += 1);
    }

    /// Sets the error of a request that could not be sent.
    pub fn fail(self, error: RequestError) {
        self.error.set(Some(error));
    }

    /// Clears the value, as when another wallet is connected.
    pub fn clear(self) {
        self.value.set(None);
        self.error.set(None);
        self.loading.set(false);
        self.generation.update(|generation| *generation += 1);
    }

    /// The last response.
    pub fn value(self) -> Signal<Option<T>> {
        self.value.into()
    }

    /// Why the last request failed.
    pub fn error(self) -> Signal<Option<RequestError>> {
        self.error.into()
    }

    /// Whether a request is under way.
    pub fn loading(self) -> Signal<bool> {
        self.loading.into()
    }
}
