//! Messages within a page: notices, failed requests, and empty lists.

use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::{http::RequestError, text::shell};

/// The tone of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Information.
    Info,
    /// A warning.
    Warning,
    /// An error.
    Danger,
    /// A success.
    Success,
}

impl Tone {
    /// The name in the stylesheet.
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
    /// Its tone.
    tone: Tone,
    /// Its text and buttons.
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

/// A failed request, with a button to retry.
#[component]
pub fn RequestFailure(
    /// Why it failed.
    error: RequestError,
    /// Sends the request again.
    #[prop(into)]
    on_retry: Callback<()>,
) -> impl IntoView {
    let request = match &error {
        RequestError::Refused { error, .. } => Some(error.request_id.clone()),
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

/// A list without content.
#[component]
pub fn Empty(
    /// Its icon.
    glyph: Glyph,
    /// What the list has none of.
    title: &'static str,
    /// What to do.
    help: &'static str,
    /// Its buttons.
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
