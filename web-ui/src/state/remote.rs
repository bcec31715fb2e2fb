//! Something that a service knows: the last answer, and whether the last question was answered.

use std::future::Future;

use leptos::{prelude::*, task::spawn_local};

use crate::api::ApiError;

/// What is known of a value that a service has. An answer stays while a newer one is asked for, or fails to come.
pub struct Remote<T: 'static> {
    value: RwSignal<Option<T>>,
    error: RwSignal<Option<ApiError>>,
    loading: RwSignal<bool>,
    /// Counts up when everything is forgotten: an answer to an older question is then nobody's.
    age: RwSignal<u64>,
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
    /// Nothing is known.
    pub fn new() -> Self {
        Self {
            value: RwSignal::new(None),
            error: RwSignal::new(None),
            loading: RwSignal::new(false),
            age: RwSignal::new(0),
        }
    }

    /// Asks, unless that is under way.
    pub fn ask(self, question: impl Future<Output = Result<T, ApiError>> + 'static) {
        if self.loading.get_untracked() {
            return;
        }
        self.loading.set(true);
        let age = self.age.get_untracked();
        spawn_local(async move {
            let answer = question.await;
            // The view that asked may be gone, and its signals with it.
            if self.age.try_get_untracked() != Some(age) {
                return;
            }
            match answer {
                Ok(value) => {
                    // The same answer again redraws nothing.
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

    /// Changes what is known, by an answer to another question; an answer that is under way is older and counts no more.
    pub fn change(self, change: impl FnOnce(&mut T)) {
        self.value.update(|value| {
            if let Some(value) = value {
                change(value);
            }
        });
        self.loading.set(false);
        self.age.update(|age| *age += 1);
    }

    /// Could not even be asked for.
    pub fn fail(self, error: ApiError) {
        self.error.set(Some(error));
    }

    /// Forgets everything, as when another wallet is connected.
    pub fn clear(self) {
        self.value.set(None);
        self.error.set(None);
        self.loading.set(false);
        self.age.update(|age| *age += 1);
    }

    /// The last answer.
    pub fn value(self) -> Signal<Option<T>> {
        self.value.into()
    }

    /// Why the last question was not answered.
    pub fn error(self) -> Signal<Option<ApiError>> {
        self.error.into()
    }

    /// Whether an answer is awaited.
    pub fn loading(self) -> Signal<bool> {
        self.loading.into()
    }
}
