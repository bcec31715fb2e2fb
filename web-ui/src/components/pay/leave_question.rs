//! The end of the sheet once a payment is over, with the question before a password is left that
//! was not copied.

use leptos::prelude::*;

use super::Sheet;
use crate::{
    components::{Notice, Tone},
    text::money,
};

/// The button to close the sheet, or the question before.
#[component]
pub fn SheetEnd() -> impl IntoView {
    let sheet = Sheet::get();
    let leaving = sheet.leaving();
    move || {
        if leaving.get() {
            view! {
                <Notice tone=Tone::Warning>
                    <p role="alert">{money::LEAVE_ASK}</p>
                    <div class="actions">
                        <button type="button" class="button primary small" on:click=move |_| sheet.stay()>{money::LEAVE_NOT}</button>
                        <button type="button" class="button small" on:click=move |_| sheet.leave()>{money::LEAVE_DO}</button>
                    </div>
                </Notice>
            }
            .into_any()
        } else {
            view! { <button type="button" class="button primary" on:click=move |_| sheet.leave()>{money::DONE}</button> }.into_any()
        }
    }
}
