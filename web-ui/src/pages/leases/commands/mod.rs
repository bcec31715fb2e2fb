//! The commands in the background of a lease's container: what each prints, how it ended, and a
//! button that stops it. `state` has the list and the requests.

mod state;

use api_types::{CommandState, CommandView};
use leptos::prelude::*;

use self::state::BackgroundCommands;
use crate::{
    components::{Glyph, Icon, LocalTime, Notice, RequestFailure, Tone},
    format::one_line,
    text::{commands, leases, shell},
};

/// Characters of a command that are shown.
const SHOWN_COMMAND: usize = 80;

/// A command as it is shown: its beginning, with invisible characters marked.
fn shown_command(command: &str) -> String {
    one_line(command, SHOWN_COMMAND)
}

/// The panel.
#[component]
pub fn CommandsPanel(
    /// The lease.
    lease_id: String,
) -> impl IntoView {
    let state = BackgroundCommands::new(lease_id);
    let (list, error) = (state.list(), state.error());
    let loading = move || {
        let waits = list.with(Option::is_none) && error.with(Option::is_none);
        waits.then_some(shell::LOADING)
    };
    let problem = move || {
        let text = state.problem.get()?;
        Some(view! { <Notice tone=Tone::Danger><p>{text}</p>
            <button type="button" class="button small" on:click=move |_| state.problem.set(None)>{shell::DISMISS}</button>
        </Notice> })
    };
    let all = move || {
        list.with(|list| {
            let commands = list.iter().flat_map(|list| &list.commands);
            commands.cloned().collect::<Vec<_>>()
        })
    };
    // A row of a command that has ended meanwhile is another row.
    let key = |command: &CommandView| {
        (
            command.command_id.clone(),
            command.exit_code,
            command.state as u8,
        )
    };
    let count = Memo::new(move |_| list.with(|list| list.as_ref().map(|list| list.commands.len())));
    view! {
        <section class="panel files" aria-label=commands::TITLE>
            <div class="actions">
                <button type="button" class="button small" on:click=move |_| state.reload()><Icon glyph=Glyph::Refresh />{leases::REFRESH}</button>
            </div>
            <p class="fine" role="status">{move || state.done.get()}</p>
            <div aria-live="assertive">{problem}</div>
            <p class="muted" role="status">{loading}</p>
            {move || error.get().map(|error| view! { <RequestFailure error=error on_retry=move |()| state.reload() /> })}
            {move || (count.get() > Some(0)).then(|| view! {
                <ul class="files-list" aria-label=commands::TITLE>
                    <For each=all key=key children=move |command| view! { <Row command=command state=state /> } />
                </ul>
            })}
            {move || (count.get() == Some(0)).then_some(view! { <p class="muted">{commands::EMPTY}</p> })}
        </section>
    }
}

#[component]
fn Row(command: CommandView, state: BackgroundCommands) -> impl IntoView {
    let shown = shown_command(&command.command);
    let id = StoredValue::new(command.command_id);
    let is_open = Memo::new(move |_| id.with_value(|id| state.is_open(id)));
    let (step, word) = match (command.state, command.exit_code) {
        (CommandState::Running, _) => ("running", commands::RUNNING.to_owned()),
        (CommandState::Ended, Some(0)) => ("completed", leases::exit_code(0)),
        (CommandState::Ended, Some(code)) => ("failed", leases::exit_code(code)),
        (CommandState::Ended, None) | (CommandState::Lost, _) => {
            ("failed", commands::LOST.to_owned())
        }
    };
    let stop = (command.state == CommandState::Running).then(|| {
        let name = shown.clone();
        let was_asked = Memo::new(move |_| id.with_value(|id| state.was_asked(id)));
        let label = move || match was_asked.get() {
            true => commands::kill(&name),
            false => commands::stop(&name),
        };
        let name = shown.clone();
        let press = move |_| state.stop(id.get_value(), name.clone());
        view! {
            <button type="button" class="button small" aria-label=label disabled=move || state.busy.get() on:click=press>
                <Icon glyph=Glyph::Stop />{move || if was_asked.get() { commands::KILL } else { commands::STOP }}
            </button>
        }
    });
    let label = commands::output_of(&shown);
    let toggle = move |_| state.toggle(id.get_value());
    view! {
        <li>
            <span class="files-name mono" translate="no">
                <button type="button" class="link" aria-expanded=move || is_open.get().to_string() aria-label=label on:click=toggle>{shown}</button>
            </span>
            <span class="pill" data-step=step>{word}</span>
            <span class="fine number">{commands::STARTED} " " <LocalTime at=command.started_at /></span>
            <span class="files-buttons">{stop}</span>
            {move || is_open.get().then(|| view! { <Output state=state /> })}
        </li>
    }
}

/// What the open command has printed.
#[component]
fn Output(state: BackgroundCommands) -> impl IntoView {
    let text = move |of: fn(&state::OpenOutput) -> &String| {
        move || state.output().with(|open| open.as_ref().map(of).cloned())
    };
    let (stdout, stderr) = (text(|open| &open.stdout), text(|open| &open.stderr));
    let has = move |text: Option<String>| text.is_some_and(|text| !text.is_empty());
    let has_stdout = Memo::new(move |_| has(stdout()));
    let has_stderr = Memo::new(move |_| has(stderr()));
    let note = move || {
        let is_known = state
            .output()
            .with(|open| open.as_ref().is_some_and(|open| open.is_known));
        match is_known {
            false => Some(commands::READING),
            true => (!has_stdout.get() && !has_stderr.get()).then_some(leases::NO_OUTPUT),
        }
    };
    view! {
        <div class="exec">
            {move || has_stdout.get().then(|| view! { <pre class="exec-text" translate="no" tabindex="0">{stdout}</pre> })}
            {move || has_stderr.get().then(|| view! {
                <p class="eyebrow">{leases::STDERR}</p>
                <pre class="exec-text" translate="no" tabindex="0">{stderr}</pre>
            })}
            <p class="muted" role="status">{note}</p>
            {move || state.has_more().then(|| view! {
                <div class="actions"><button type="button" class="button small" disabled=move || state.busy.get() on:click=move |_| state.read_on()>{commands::MORE}</button></div>
            })}
        </div>
    }
}
