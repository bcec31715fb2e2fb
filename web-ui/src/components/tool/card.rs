//! The card of a tool call: its title and state, its arguments and result, and the payment or the
//! question that it waits for.

use api_types::{ExecResponse, LeaseResponse};
use leptos::prelude::*;

use super::{
    confirm::Confirm,
    console::ConsoleResult,
    exec::ExecOutput,
    json::JsonBlock,
    ports::{PortResults, read_ports},
};
use crate::{
    components::{
        Glyph, Icon,
        pay::{Delivered, Transaction, card::PAY_CARD},
        restore_focus_in_conversation,
    },
    engine::use_engine,
    format::{elapsed, one_line},
    pay::outcome::read_receipt,
    state::{
        chat::{Chat, TurnCell},
        conversation::{PASSWORD_SHOWN, ToolCall, ToolStep, Turn},
    },
    text::{chat::tool, shell},
};

/// The longest title that is shown in full.
const LONGEST_TITLE: usize = 160;

/// The card of a tool call.
#[component]
pub fn ToolCard(
    /// The turn that the call belongs to.
    cell: TurnCell,
    /// The call as it stands.
    call: Memo<Option<ToolCall>>,
) -> impl IntoView {
    let head = Memo::new(move |_| {
        call.with(|call| {
            call.as_ref()
                .map(|call| (call.title.clone(), call.tool.clone()))
        })
    });
    let step = Memo::new(move |_| call.with(|call| call.as_ref().map(|call| call.step.clone())));
    let name = move || step.with(|step| step.as_ref().map_or("", step_name));
    let summary = move || call.with(|call| call.as_ref().map(|call| call.summary.clone()));
    let took = move || call.with(|call| call.as_ref()?.duration_ms.map(elapsed));
    let titled = move || {
        let title = head
            .get()
            .map(|(title, name)| if title.is_empty() { name } else { title });
        title.map(|title| one_line(&title, LONGEST_TITLE))
    };
    view! {
        <article class="tool" data-step=name>
            <header class="tool-head">
                <span class="tool-glyph">{move || view! { <Icon glyph=step.with(|step| step.as_ref().map_or(Glyph::Play, glyph)) /> }}</span>
                <span class="tool-title" prop:textContent=move || titled().unwrap_or_default()></span>
                <span class="tool-took number">{took}</span>
                <span class="pill" data-step=name prop:textContent=move || step.with(|step| step.as_ref().map_or("", label))></span>
            </header>
            <WaitingFor cell=cell.clone() step=step call=call />
            <p class="tool-summary" prop:textContent=move || summary().unwrap_or_default()></p>
            <ToolResult call=call />
            <StoredReceipt call=call />
            <RetryButton cell=cell step=step />
            <Details call=call />
        </article>
    }
}

#[component]
fn WaitingFor(
    cell: TurnCell,
    step: Memo<Option<ToolStep>>,
    call: Memo<Option<ToolCall>>,
) -> impl IntoView {
    let engine = use_engine();
    let chat = Chat::get();
    // The pay card stays once it is paid, as the receipt.
    let card = Memo::new(move |_| {
        let id = call.with(|call| call.as_ref().and_then(|call| call.card))?;
        engine
            .pay
            .cards()
            .with(|cards| cards.iter().any(|card| card.id == id))
            .then_some(id)
    });
    let asking = {
        let cell = cell.clone();
        move || match step.get() {
            Some(ToolStep::AwaitingConfirmation { call, pending }) => {
                view! { <Confirm cell=cell.clone() call=*call pending=pending /> }.into_any()
            }
            Some(ToolStep::AwaitingPayment { .. }) if card.get().is_none() => {
                let cell = cell.clone();
                view! { <button type="button" class="button primary" on:click=move |_| chat.offer_again(&cell)>{tool::OFFER_AGAIN}</button> }.into_any()
            }
            _ => ().into_any(),
        }
    };
    let slip = move || {
        let id = card.get()?;
        let again = {
            let cell = cell.clone();
            Callback::new(move |()| chat.ask_again(&cell))
        };
        let cell = cell.clone();
        let cancel = Callback::new(move |()| {
            engine.pay.cancel(id);
            if let Some(ToolStep::AwaitingPayment { pending, .. }) = step.get_untracked() {
                chat.deny(&cell, pending);
                restore_focus_in_conversation();
            }
        });
        Some(PAY_CARD.show(move |entries| (entries.view)(id, cancel, again)))
    };
    view! { {asking} {slip} }
}

/// The receipt of a payment whose pay card is gone with an earlier page.
#[component]
fn StoredReceipt(call: Memo<Option<ToolCall>>) -> impl IntoView {
    let engine = use_engine();
    let simulated = engine.wallet.simulated();
    let receipt = Memo::new(move |_| {
        let (card, receipt) = call.with(|call| {
            let call = call.as_ref()?;
            Some((call.card, call.receipt.clone()?))
        })?;
        let there = engine
            .pay
            .cards()
            .with(|cards| cards.iter().any(|one| Some(one.id) == card));
        (!there).then_some(receipt)
    });
    move || {
        let receipt = serde_json::from_value(receipt.get()?).ok();
        let proof = read_receipt(receipt, serde_json::Value::Null);
        let hash = proof.transaction?;
        // The demo's transactions look like those of a chain and are on no chain.
        let url = proof.explorer_url.filter(|_| !simulated.get());
        Some(view! { <div class="tool-receipt"><Transaction hash=hash url=url /></div> })
    }
}

/// The button to ask the question again, if a call of the last answer failed.
#[component]
fn RetryButton(cell: TurnCell, step: Memo<Option<ToolStep>>) -> impl IntoView {
    let chat = Chat::get();
    let (turns, running) = (chat.turns(), chat.running());
    move || {
        let failed = step.get() == Some(ToolStep::Failed);
        let last = turns.with(|turns| turns.last().is_some_and(|last| last.id == cell.id));
        let can_retry = cell.turn.with(Turn::can_be_retried);
        let cell = cell.clone();
        (failed && last && can_retry).then(|| view! {
            <div class="actions">
                <button type="button" class="button small" disabled=move || running.get() on:click=move |_| { chat.retry(&cell); restore_focus_in_conversation(); }>
                    <Icon glyph=Glyph::Refresh />{shell::RETRY}
                </button>
            </div>
        })
    }
}

/// The result of a call, if there is a better view than its JSON.
#[component]
fn ToolResult(call: Memo<Option<ToolCall>>) -> impl IntoView {
    let result = Memo::new(move |_| {
        call.with(|call| {
            let call = call.as_ref()?;
            (call.step == ToolStep::Completed).then(|| {
                let ctid = call.arguments["ctid"].clone();
                (call.tool.clone(), call.result.clone(), ctid)
            })
        })
    });
    // A result that comes while the card is on the screen is new.
    let old = result.with_untracked(Option::is_some);
    move || {
        let (tool, value, ctid) = result.get()?;
        match tool.as_str() {
            "lease_container" => {
                let was_shown = value[PASSWORD_SHOWN] == true;
                let lease: LeaseResponse = serde_json::from_value(value).ok()?;
                Some(view! { <Delivered lease=lease was_shown=was_shown /> }.into_any())
            }
            "open_container_console" => {
                let console = serde_json::from_value(value).ok();
                Some(view! { <ConsoleResult console=console fresh=!old /> }.into_any())
            }
            "exec_container_command" => {
                let response: ExecResponse = serde_json::from_value(value).ok()?;
                Some(view! { <ExecOutput response=response /> }.into_any())
            }
            "expose_port" | "list_ports" => {
                // Some models write numbers as texts.
                let lease = ctid
                    .as_str()
                    .map_or_else(|| ctid.to_string(), str::to_owned);
                let ports = read_ports(value).filter(|ports| !ports.is_empty())?;
                Some(view! { <PortResults lease=lease ports=ports /> }.into_any())
            }
            _ => None,
        }
    }
}

#[component]
fn Details(call: Memo<Option<ToolCall>>) -> impl IntoView {
    let arguments =
        Memo::new(move |_| call.with(|call| call.as_ref().map(|call| call.arguments.clone())));
    let result = Memo::new(move |_| call.with(|call| call.as_ref().map(ToolCall::public_result)));
    view! {
        <details class="more tool-details">
            <summary>{tool::DETAILS}<Icon glyph=Glyph::Chevron /></summary>
            {move || arguments.get().map(|value| view! { <JsonBlock label=tool::INPUT value=value /> })}
            {move || result.get().map(|value| view! { <JsonBlock label=tool::OUTPUT value=value /> })}
        </details>
    }
}

fn step_name(step: &ToolStep) -> &'static str {
    match step {
        ToolStep::Running => "running",
        ToolStep::AwaitingPayment { .. } | ToolStep::AwaitingConfirmation { .. } => "waiting",
        ToolStep::Responded => "responded",
        ToolStep::Completed => "completed",
        ToolStep::Denied => "denied",
        ToolStep::Failed => "failed",
    }
}

fn label(step: &ToolStep) -> &'static str {
    match step {
        ToolStep::Running => tool::RUNNING,
        ToolStep::AwaitingPayment { .. } => tool::AWAITING_PAYMENT,
        ToolStep::AwaitingConfirmation { .. } => tool::AWAITING_CONFIRMATION,
        ToolStep::Responded => tool::RESPONDED,
        ToolStep::Completed => tool::COMPLETED,
        ToolStep::Denied => tool::DENIED,
        ToolStep::Failed => tool::FAILED,
    }
}

fn glyph(step: &ToolStep) -> Glyph {
    match step {
        ToolStep::Running | ToolStep::Responded => Glyph::Clock,
        ToolStep::AwaitingPayment { .. } => Glyph::Receipt,
        ToolStep::AwaitingConfirmation { .. } | ToolStep::Failed => Glyph::Alert,
        ToolStep::Completed => Glyph::Check,
        ToolStep::Denied => Glyph::Cross,
    }
}
