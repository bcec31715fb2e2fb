//! The card of a lease on the board: its facts, remaining time, usage, and buttons.

use api_types::{ConsoleResponse, LeaseStatus, LeaseView, Timestamp};
use leptos::{html, prelude::*};

use super::{
    access::AccessLine,
    commands::CommandsPanel,
    destroy::DestroyDialog,
    exec::ExecPanel,
    files::{FilesPanel, folder_icon},
    meter::TimeMeter,
    pending_action,
    power::PowerButton,
    renew::RenewPanel,
    traffic::Traffic,
    usage::Usage,
};
use crate::{
    browser::clock,
    components::{
        Copyable, Fact, Glyph, Icon, LocalTime, Notice, Tone, find_first, local_time,
        pay::{Purchase, Sheet},
        restore_focus,
        terminal::TerminalOverlay,
    },
    format::{mebibytes, short_minute, usdc},
    pay::PaidOperation,
    state::{
        lease::board::Board,
        lease::clock::{is_off, is_renewable, is_running, is_unreachable, is_usable},
        route::PendingAction,
    },
    text::{commands, files, leases},
};

/// The open panel of a card.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenPanel {
    Renew,
    Run,
    Files,
    Background,
}

/// A lease.
#[component]
pub fn LeaseCard(
    /// The lease; none once it has left the list.
    lease: Memo<Option<LeaseView>>,
) -> impl IntoView {
    let panel = RwSignal::new(None::<OpenPanel>);
    let board = Board::get();
    let unreachable = unreachable(lease);
    let head = Memo::new(move |_| {
        lease.with(|lease| {
            let lease = lease.as_ref()?;
            let status = if unreachable.get() {
                ("unseen", last_seen(board, lease))
            } else {
                shown_status(lease)
            };
            Some((lease.hostname.clone(), lease.ctid, status))
        })
    });
    let notice = Memo::new(move |_| {
        lease.with(|lease| lease.as_ref().and_then(|lease| lease.notice.clone()))
    });
    let facts = Memo::new(move |_| lease.with(|lease| lease.as_ref().map(LeaseFacts::new)));
    let usable = Memo::new(move |_| lease.with(|lease| lease.as_ref().is_some_and(is_running)));
    // While the container is unreachable, the last usage stays, dimmed.
    let measured = Memo::new(move |_| usable.get() || unreachable.get());
    let ctid = Memo::new(move |_| head.with(|head| head.as_ref().map_or(0, |head| head.1)));
    let id = Memo::new(move |_| {
        lease.with(|lease| {
            lease
                .as_ref()
                .map_or_else(String::new, |lease| lease.lease_id.clone())
        })
    });
    let node = NodeRef::<html::Article>::new();
    // The sheet with the receipt gives the focus back to the panel, which is gone by then.
    let (was_renewed, sheet) = (RwSignal::new(false), Sheet::get().is_open());
    let renewed = move |()| {
        panel.set(None);
        was_renewed.set(true);
    };
    Effect::new(move || {
        if was_renewed.get() && !sheet.get() {
            was_renewed.set(false);
            let button = ".lease-actions button";
            restore_focus(move || find_first(&node.try_get_untracked()??.into(), button));
        }
    });
    let name = move || head.with(|head| head.as_ref().map(|head| head.0.clone()));
    view! {
        <article class="lease" data-unseen=move || unreachable.get().to_string() aria-label=name node_ref=node>
            {move || head.get().map(|(hostname, ctid, status)| view! {
                <header class="lease-head">
                    <h2 tabindex="-1" translate="no" prop:textContent=hostname></h2>
                    <span class="lease-marks">
                        <span class="tag" title=leases::CONTAINER translate="no" prop:textContent=ctid.to_string()></span>
                        <span class="pill" data-status=status.0 prop:textContent=status.1></span>
                    </span>
                </header>
            })}
            <TimeMeter lease=lease />
            {move || notice.get().map(|text| view! { <Notice tone=Tone::Warning><p>{text}</p></Notice> })}
            {move || facts.get().map(|facts| view! { <FactList facts=facts /> })}
            {move || measured.get().then(|| view! { <Usage ctid=ctid.get() /> })}
            {move || (measured.get() && !id.with(String::is_empty)).then(|| view! { <Traffic lease_id=id.get() /> })}
            {move || usable.get().then(|| view! { <AccessLine lease=lease /> })}
            <LeaseActions lease=lease panel=panel />
            {move || match panel.get() {
                Some(OpenPanel::Renew) => view! { <RenewPanel lease=lease on_done=renewed /> }.into_any(),
                Some(OpenPanel::Run) if usable.get() => view! { <ExecPanel ctid=ctid.get_untracked() /> }.into_any(),
                Some(OpenPanel::Files) if usable.get() => view! { <FilesPanel lease_id=id.get_untracked() /> }.into_any(),
                Some(OpenPanel::Background) if usable.get() => view! { <CommandsPanel lease_id=id.get_untracked() /> }.into_any(),
                _ => ().into_any(),
            }}
        </article>
    }
}

/// Whether the state of the container is not known: Proxmox or the lease service does not respond.
fn unreachable(lease: Memo<Option<LeaseView>>) -> Memo<bool> {
    let error = Board::get().leases_error();
    Memo::new(move |_| {
        let stale = error.with(Option::is_some);
        lease.with(|lease| {
            let lease = lease.as_ref();
            lease.is_some_and(|lease| is_unreachable(lease) || (stale && is_usable(lease.status)))
        })
    })
}

fn last_seen(board: Board, lease: &LeaseView) -> String {
    let seen = board.seen_at(&lease.lease_id).map(local_time);
    let now = local_time(Timestamp(clock::now()));
    leases::not_reachable(seen.as_deref().map(|seen| short_minute(seen, &now)))
}

/// The status, for the stylesheet and for people.
fn shown_status(lease: &LeaseView) -> (&'static str, String) {
    if is_off(lease) {
        ("stopped", leases::OFF.to_owned())
    } else {
        let words = leases::status(lease.status);
        (status_name(lease.status), words.to_owned())
    }
}

fn status_name(status: LeaseStatus) -> &'static str {
    match status {
        LeaseStatus::Active => "active",
        LeaseStatus::Stopped | LeaseStatus::Expiring => "stopped",
        LeaseStatus::Destroyed | LeaseStatus::Undoing => "gone",
        LeaseStatus::Provisioning | LeaseStatus::Settling | LeaseStatus::Reconciling => "pending",
    }
}

/// The facts of a lease that change rarely.
#[derive(Clone, PartialEq)]
struct LeaseFacts {
    size: String,
    ip: Option<String>,
    until: Option<Timestamp>,
    paid: String,
    template: String,
    node: String,
}

impl LeaseFacts {
    fn new(lease: &LeaseView) -> Self {
        let (memory, disk) = (
            mebibytes(lease.memory_mb),
            mebibytes(lease.disk_gb.saturating_mul(1024)),
        );
        Self {
            size: format!("{} · {memory} · {disk}", leases::cores(lease.cores)),
            ip: lease.ip.clone(),
            until: lease.expires_at,
            paid: usdc(lease.paid),
            template: lease.template.clone(),
            node: lease.node.clone(),
        }
    }
}

#[component]
fn FactList(facts: LeaseFacts) -> impl IntoView {
    let address = match facts.ip {
        Some(ip) => view! { <Copyable name=leases::ADDRESS value=ip /> }.into_any(),
        None => leases::NO_ADDRESS.into_any(),
    };
    view! {
        <p class="lease-size">{facts.size}</p>
        <dl class="facts">
            <Fact name=leases::ADDRESS>{address}</Fact>
            {facts.until.map(|until| view! { <Fact name=leases::UNTIL><LocalTime at=until /></Fact> })}
            <Fact name=leases::PAID><span translate="no" prop:textContent=facts.paid></span></Fact>
            <Fact name=leases::SYSTEM>{facts.template} " · " {facts.node}</Fact>
        </dl>
    }
}

#[component]
fn LeaseActions(
    lease: Memo<Option<LeaseView>>,
    panel: RwSignal<Option<OpenPanel>>,
) -> impl IntoView {
    let state = Memo::new(move |_| {
        lease.with(|lease| {
            lease.as_ref().map(|lease| {
                (
                    lease.status,
                    lease.ctid,
                    lease.hostname.clone(),
                    is_running(lease),
                )
            })
        })
    });
    let terminal = TerminalOverlay::get();
    let destroying = RwSignal::new(false);
    let console = Purchase::new(move |receipt| {
        if let Some(console) = receipt.read::<ConsoleResponse>() {
            let hostname =
                state.with_untracked(|state| state.as_ref().map(|state| state.2.clone()));
            terminal.open(console, hostname.unwrap_or_default());
        }
    });
    let node = NodeRef::new();
    pending_action::carry_out_at_lease(lease, node, move |action| match action {
        PendingAction::Renew(_) => panel.set(Some(OpenPanel::Renew)),
        PendingAction::RunCommand(_) => panel.set(Some(OpenPanel::Run)),
        PendingAction::OpenTerminal(_) => {
            if let Some((_, ctid, _, true)) = state.get_untracked() {
                console.start(PaidOperation::Console { ctid });
            }
        }
        PendingAction::OpenForm => {}
    });
    let toggle =
        move |one: OpenPanel| panel.update(|open| *open = (*open != Some(one)).then_some(one));
    let pressed = move |one: OpenPanel| move || (panel.get() == Some(one)).to_string();
    let buttons = move || {
        let (status, ctid, _, runs) = state.get()?;
        Some(view! {
            {is_renewable(status).then(|| view! {
                <button type="button" class="button small" aria-expanded=pressed(OpenPanel::Renew) on:click=move |_| toggle(OpenPanel::Renew)><Icon glyph=Glyph::Clock />{leases::RENEW}</button>
            })}
            {runs.then(|| view! {
                <button type="button" class="button small" aria-expanded=pressed(OpenPanel::Run) on:click=move |_| toggle(OpenPanel::Run)><Icon glyph=Glyph::Play />{leases::RUN}</button>
                <button type="button" class="button small" on:click=move |_| console.start(PaidOperation::Console { ctid })><Icon glyph=Glyph::Prompt />{leases::TERMINAL}</button>
                <button type="button" class="button small" aria-expanded=pressed(OpenPanel::Files) on:click=move |_| toggle(OpenPanel::Files)>{folder_icon()}{files::FILES}</button>
                <button type="button" class="button small" aria-expanded=pressed(OpenPanel::Background) on:click=move |_| toggle(OpenPanel::Background)><Icon glyph=Glyph::Menu />{commands::BACKGROUND}</button>
            })}
        })
    };
    let last = move || {
        let (status, ctid, hostname, _) = state.get()?;
        let gone = matches!(status, LeaseStatus::Destroyed | LeaseStatus::Undoing);
        Some(view! {
            {(!gone).then(|| view! {
                <button type="button" class="button small quiet-danger" on:click=move |_| destroying.set(true)><Icon glyph=Glyph::Bin />{leases::DESTROY}</button>
                <DestroyDialog open=destroying ctid=ctid hostname=hostname />
            })}
        })
    };
    view! { <div class="actions lease-actions" node_ref=node>{buttons}<PowerButton lease=lease />{last}</div> }
}
