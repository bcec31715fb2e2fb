//! The overlays that every page has: the command palette and the list of keyboard shortcuts.

use leptos::prelude::*;

/// Which overlay is open.
#[derive(Clone, Copy)]
pub struct Overlays {
    /// Whether the command palette is open.
    pub palette: RwSignal<bool>,
    /// Whether the list of keyboard shortcuts is open.
    pub keys: RwSignal<bool>,
    after_palette: StoredValue<Option<Box<dyn FnOnce()>>, LocalStorage>,
}

impl Overlays {
    /// Provides them for the whole application.
    pub fn provide() {
        provide_context(Self {
            palette: RwSignal::new(false),
            keys: RwSignal::new(false),
            after_palette: StoredValue::new_local(None),
        });
    }

    /// The application's overlays.
    pub fn get() -> Self {
        expect_context()
    }

    /// Closes the command palette and then calls `act`, so that an overlay that `act` opens later
    /// gives the focus back to where it was before the palette.
    pub fn close_palette_and(self, act: impl FnOnce() + 'static) {
        self.after_palette.set_value(Some(Box::new(act)));
        self.palette.set(false);
    }

    /// The command palette was closed.
    pub fn on_palette_closed(self) {
        if let Some(act) = self.after_palette.try_update_value(Option::take).flatten() {
            act();
        }
    }
}
