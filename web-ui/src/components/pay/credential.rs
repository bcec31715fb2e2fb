//! How the owner of a new container will log in: a made password, a password of their own, or a key.

use api_types::{LeaseRequest, Secret};
use leptos::prelude::*;

use crate::{
    pay::Credential,
    state::{lease_form::credential_problem, services::Services},
    text::money::credential,
};

/// Which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Made,
    Own,
    Key,
}

/// The fields' values.
#[derive(Clone, Copy)]
pub struct CredentialForm {
    kind: RwSignal<Kind>,
    password: RwSignal<String>,
    key: RwSignal<String>,
    problem: Memo<Option<String>>,
}

impl CredentialForm {
    /// A made password, until something else is chosen.
    pub fn new() -> Self {
        let catalog = Services::get().catalog();
        let (kind, password, key) = (
            RwSignal::new(Kind::Made),
            RwSignal::new(String::new()),
            RwSignal::new(String::new()),
        );
        let problem = Memo::new(move |_| {
            let limits =
                catalog.with(|catalog| catalog.as_ref().map(|catalog| catalog.limits.clone()));
            let mut request = LeaseRequest::default();
            match kind.get() {
                Kind::Made => return None,
                Kind::Own => request.password = Some(Secret::new(password.get())),
                Kind::Key => request.ssh_public_key = Some(key.get().trim().to_owned()),
            }
            credential_problem(&limits.unwrap_or_default(), &request)
        });
        Self {
            kind,
            password,
            key,
            problem,
        }
    }

    /// Whether what is there can be used.
    pub fn is_good(self) -> bool {
        self.problem.with(Option::is_none)
    }

    /// What is to be sent; nothing where a field is not yet right.
    pub fn credential(self, needed: bool) -> Option<Credential> {
        if !needed {
            return Some(Credential::Made);
        }
        if self.problem.with_untracked(Option::is_some) {
            return None;
        }
        Some(match self.kind.get_untracked() {
            Kind::Made => Credential::Made,
            Kind::Own => Credential::Password(Secret::new(self.password.get_untracked())),
            Kind::Key => Credential::SshKey(self.key.get_untracked().trim().to_owned()),
        })
    }
}

/// The fields.
#[component]
pub fn CredentialFields(
    /// Their values.
    form: CredentialForm,
) -> impl IntoView {
    let choice = move |kind: Kind, label: &'static str| {
        view! {
            <label class="segment">
                <input type="radio" name="credential" prop:checked=move || form.kind.get() == kind on:change=move |_| form.kind.set(kind) />
                <span>{label}</span>
            </label>
        }
    };
    let field = move || {
        match form.kind.get() {
        Kind::Made => view! { <p class="fine">{credential::MADE_HELP}</p> }.into_any(),
        Kind::Own => view! { <OwnPassword form=form /> }.into_any(),
        Kind::Key => view! {
            <label class="field">
                <span>{credential::KEY_LABEL}</span>
                <textarea rows="2" spellcheck="false" autocomplete="off" placeholder=credential::KEY_PLACEHOLDER prop:value=form.key
                    on:input=move |event| form.key.set(event_target_value(&event))></textarea>
            </label>
        }
        .into_any(),
    }
    };
    let problem = move || {
        let typed = match form.kind.get() {
            Kind::Made => false,
            Kind::Own => form.password.with(|text| !text.is_empty()),
            Kind::Key => form.key.with(|text| !text.is_empty()),
        };
        form.problem.get().filter(|_| typed)
    };
    view! {
        <fieldset class="credential">
            <legend>{credential::LEGEND}</legend>
            <div class="segments">
                {choice(Kind::Made, credential::MADE)}
                {choice(Kind::Own, credential::OWN)}
                {choice(Kind::Key, credential::KEY)}
            </div>
            {field}
            <p class="field-problem" role="status">{problem}</p>
            {move || (form.kind.get() != Kind::Made).then(|| view! { <p class="fine">{credential::PAST_MODEL}</p> })}
        </fieldset>
    }
}

#[component]
fn OwnPassword(form: CredentialForm) -> impl IntoView {
    let shown = RwSignal::new(false);
    let kind = move || if shown.get() { "text" } else { "password" };
    view! {
        <div class="field">
            <label for="own-password">{credential::OWN_LABEL}</label>
            <div class="field-row">
                <input id="own-password" type=kind autocomplete="new-password" spellcheck="false" prop:value=form.password
                    on:input=move |event| form.password.set(event_target_value(&event)) />
                <button type="button" class="button small" aria-pressed=move || shown.get().to_string() on:click=move |_| shown.update(|shown| *shown = !*shown)>
                    {move || if shown.get() { credential::HIDE } else { credential::SHOW }}
                </button>
            </div>
        </div>
    }
}
