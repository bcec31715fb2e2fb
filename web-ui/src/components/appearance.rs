//! The choice of a theme: stored, and set as an attribute for the stylesheet.

use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::{
    browser::storage,
    state::theme::{STORED_AT, Theme},
    text::shell,
};

/// The chosen theme.
#[derive(Clone, Copy)]
pub struct Appearance(RwSignal<Theme>);

impl Appearance {
    /// Reads the stored choice, for the whole application.
    pub fn provide() {
        let stored = storage::read(STORED_AT).map(|name| Theme::from_name(&name));
        let theme = RwSignal::new(stored.unwrap_or_default());
        Effect::new(move || {
            let name = theme.get().name();
            if let Some(root) = document().document_element() {
                // The element cannot refuse a valid attribute name.
                let _ = root.set_attribute("data-theme", name);
            }
            let _ = storage::write(STORED_AT, name);
        });
        provide_context(Self(theme));
    }

    /// The application's theme.
    pub fn get() -> RwSignal<Theme> {
        expect_context::<Self>().0
    }
}

fn label(theme: Theme) -> &'static str {
    match theme {
        Theme::System => shell::THEME_SYSTEM,
        Theme::Light => shell::THEME_LIGHT,
        Theme::Dark => shell::THEME_DARK,
    }
}

/// The icon of a theme.
pub fn theme_icon(theme: Theme) -> Glyph {
    match theme {
        Theme::System => Glyph::Screen,
        Theme::Light => Glyph::Sun,
        Theme::Dark => Glyph::Moon,
    }
}

/// A button that cycles through the themes.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = Appearance::get();
    let title = move || shell::theme_button(label(theme.get()));
    view! {
        <button type="button" class="icon-button theme-button" aria-label=title title=title
            on:click=move |_| theme.update(|theme| *theme = theme.next())>
            {move || view! { <Icon glyph=theme_icon(theme.get()) /> }}
        </button>
    }
}

/// All themes side by side.
#[component]
pub fn ThemeChoice() -> impl IntoView {
    let theme = Appearance::get();
    let choice = move |one: Theme| {
        view! {
            <label class="segment">
                <input type="radio" name="theme" prop:checked=move || theme.get() == one on:change=move |_| theme.set(one) />
                <span><Icon glyph=theme_icon(one) />{label(one)}</span>
            </label>
        }
    };
    view! {
        <fieldset class="segments">
            <legend>{shell::THEME}</legend>
            {Theme::ALL.map(choice).into_iter().collect_view()}
        </fieldset>
    }
}
