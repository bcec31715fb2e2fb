//! How the owner of a new container logs in: a generated password, their own password, or an SSH
//! key.

use api_types::{LeaseRequest, Secret};
use leptos::prelude::*;

use crate::{
    pay::LoginCredential,
    state::{lease::form::credential_error, services::Services},
    text::money::credential,
};

/// The kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CredentialKind {
    Generated,
    Own,
    Key,
}

/// The values of the fields.
#[derive(Clone, Copy)]
pub struct CredentialForm {
    kind: RwSignal<CredentialKind>,
    password: RwSignal<String>,
    key: RwSignal<String>,
    problem: Memo<Option<String>>,
}

impl CredentialForm {
    /// A generated password is chosen at first.
    pub fn new() -> Self {
        let catalog = Services::get().catalog();
        let (kind, password, key) = (
            RwSignal::new(CredentialKind::Generated),
            RwSignal::new(String::new()),
            RwSignal::new(String::new()),
        );
        let problem = Memo::new(move |_| {
            let limits =
                catalog.with(|catalog| catalog.as_ref().map(|catalog| catalog.limits.clone()));
            let mut request = LeaseRequest::default();
            match kind.get() {
                CredentialKind::Generated => return None,
                CredentialKind::Own => request.password = Some(Secret::new(password.get())),
                CredentialKind::Key => request.ssh_public_key = Some(key.get().trim().to_owned()),
            }
            credential_error(&limits.unwrap_or_default(), &request)
        });
        Self {
            kind,
            password,
            key,
            problem,
        }
    }

    /// Whether the values can be used.
    pub fn is_good(self) -> bool {
        self.problem.with(Option::is_none)
    }

    /// The credential; none while a field has an error.
    pub fn credential(self, needed: bool) -> Option<LoginCredential> {
        if !needed {
            return Some(LoginCredential::Generated);
        }
        if self.problem.with_untracked(Option::is_some) {
            return None;
        }
        Some(match self.kind.get_untracked() {
            CredentialKind::Generated => LoginCredential::Generated,
            CredentialKind::Own => {
                LoginCredential::Password(Secret::new(self.password.get_untracked()))
            }
            CredentialKind::Key => {
                LoginCredential::SshKey(self.key.get_untracked().trim().to_owned())
            }
        })
    }
}

/// The fields.
#[component]
pub fn CredentialFields(
    /// The values.
    form: CredentialForm,
) -> impl IntoView {
    let choice = move |kind: CredentialKind, label: &'static str| {
        view! {
            <label class="segment">
                <input type="radio" name="credential" prop:checked=move || form.kind.get() == kind on:change=move |_| form.kind.set(kind) />
                <span>{label}</span>
            </label>
        }
    };
    let field = move || {
        match form.kind.get() {
        CredentialKind::Generated => view! { <p class="fine">{credential::GENERATED_HELP}</p> }.into_any(),
        CredentialKind::Own => view! { <OwnPassword form=form /> }.into_any(),
        CredentialKind::Key => view! {
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
            CredentialKind::Generated => false,
            CredentialKind::Own => form.password.with(|text| !text.is_empty()),
            CredentialKind::Key => form.key.with(|text| !text.is_empty()),
        };
        form.problem.get().filter(|_| typed)
    };
    view! {
        <fieldset class="credential">
            <legend>{credential::LEGEND}</legend>
            <div class="segments">
                {choice(CredentialKind::Generated, credential::GENERATED)}
                {choice(CredentialKind::Own, credential::OWN)}
                {choice(CredentialKind::Key, credential::KEY)}
            </div>
            {field}
            <p class="field-problem" role="status">{problem}</p>
            {move || (form.kind.get() != CredentialKind::Generated).then(|| view! { <p class="fine">{credential::PAST_MODEL}</p> })}
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
