//! Messages within a page: something to know, something that went wrong, nothing to show.

use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::{api::ApiError, text::shell};

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// To know.
    Info,
    /// To look at.
    Warning,
    /// It went wrong.
    Danger,
    /// It went well.
    Success,
}

impl Tone {
    /// The word that the stylesheet knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Danger => "danger",
            Self::Success => "success",
        }
    }
}

/// A message in a box.
#[component]
pub fn Notice(
    /// How it is meant.
    tone: Tone,
    /// What it says, and what can be done.
    children: Children,
) -> impl IntoView {
    let glyph = match tone {
        Tone::Success => Glyph::Check,
        _ => Glyph::Alert,
    };
    view! {
        <div class="notice" data-tone=tone.name()>
            <Icon glyph=glyph />
            <div class="notice-text">{children()}</div>
        </div>
    }
}

/// A question to a service that was not answered, with a way to ask again.
#[component]
pub fn Trouble(
    /// Why.
    error: ApiError,
    /// Asks again.
    #[prop(into)]
    on_retry: Callback<()>,
) -> impl IntoView {
    let request = match &error {
        ApiError::Refused { error, .. } => Some(error.request_id.clone()),
        _ => None,
    };
    view! {
        <Notice tone=Tone::Danger>
            <p role="alert">{error.to_string()}</p>
            {request.map(|id| view! { <p class="fine">{shell::REQUEST_ID} " " <code>{id}</code></p> })}
            <button type="button" class="button small" on:click=move |_| on_retry.run(())>{shell::RETRY}</button>
        </Notice>
    }
}

/// A place with nothing in it yet.
#[component]
pub fn Empty(
    /// Its picture.
    glyph: Glyph,
    /// What is missing.
    title: &'static str,
    /// How to get it.
    help: &'static str,
    /// A way to get it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Icon glyph=glyph />
            <h2>{title}</h2>
            <p>{help}</p>
            {children.map(|children| children())}
        </div>
    }
}
