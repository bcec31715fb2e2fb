//! The links to the pages.

use leptos::prelude::*;

use crate::{
    components::{Icon, Navigation},
    pages::{PAGES, PageRow},
    text::shell,
};

/// The links to the pages.
#[component]
pub fn Tabs() -> impl IntoView {
    let route = Navigation::route();
    let link = move |page: &'static PageRow| {
        let current = move || (route.get() == Some(page.route)).then_some("page");
        view! {
            <a class="tab" href=page.route.href() aria-current=current><Icon glyph=page.icon /><span>{page.title}</span></a>
        }
    };
    view! { <nav class="tabs" aria-label=shell::NAVIGATION>{PAGES.iter().map(link).collect_view()}</nav> }
}
