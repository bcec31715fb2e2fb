//! What opens over every page: the list of commands, and the list of keys.

use leptos::prelude::*;

/// What is open.
#[derive(Clone, Copy)]
pub struct Doors {
    /// Whether the list of commands is.
    pub palette: RwSignal<bool>,
    /// Whether the list of keys is.
    pub keys: RwSignal<bool>,
    chosen: StoredValue<Option<Box<dyn FnOnce()>>, LocalStorage>,
}

impl Doors {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self {
            palette: RwSignal::new(false),
            keys: RwSignal::new(false),
            chosen: StoredValue::new_local(None),
        });
    }

    /// The application's.
    pub fn get() -> Self {
        expect_context()
    }

    /// Closes the list of commands and does something then: what takes the focus gets it, and gives it back to where it was before.
    pub fn leave_palette_to(self, act: impl FnOnce() + 'static) {
        self.chosen.set_value(Some(Box::new(act)));
        self.palette.set(false);
    }

    /// The list of commands is closed.
    pub fn palette_left(self) {
        if let Some(act) = self.chosen.try_update_value(Option::take).flatten() {
            act();
        }
    }
}
