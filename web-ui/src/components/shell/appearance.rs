//! The theme's choice: kept, and written where the stylesheet looks.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon},
    engine::storage,
    state::theme::{STORED_AT, Theme},
    text::shell,
};

/// The chosen theme.
#[derive(Clone, Copy)]
pub struct Appearance(RwSignal<Theme>);

impl Appearance {
    /// Reads the choice, for the whole application.
    pub fn provide() {
        let stored = storage::read(STORED_AT).map(|name| Theme::named(&name));
        let theme = RwSignal::new(stored.unwrap_or_default());
        Effect::new(move || {
            let name = theme.get().name();
            if let Some(root) = document().document_element() {
                // The name is one of three words, which the element cannot refuse.
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

fn glyph(theme: Theme) -> Glyph {
    match theme {
        Theme::System => Glyph::Screen,
        Theme::Light => Glyph::Sun,
        Theme::Dark => Glyph::Moon,
    }
}

/// Goes round the three themes.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = Appearance::get();
    let says = move || shell::theme_button(label(theme.get()));
    view! {
        <button type="button" class="icon-button theme-button" aria-label=says title=says
            on:click=move |_| theme.update(|theme| *theme = theme.next())>
            {move || view! { <Icon glyph=glyph(theme.get()) /> }}
        </button>
    }
}

/// The three themes side by side.
#[component]
pub fn ThemeChoice() -> impl IntoView {
    let theme = Appearance::get();
    let choice = move |one: Theme| {
        view! {
            <label class="segment">
                <input type="radio" name="theme" prop:checked=move || theme.get() == one on:change=move |_| theme.set(one) />
                <span><Icon glyph=glyph(one) />{label(one)}</span>
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
