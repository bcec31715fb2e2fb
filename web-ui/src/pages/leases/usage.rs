//! The usage of a container: three bars, and the processor's last minutes as a line.

use leptos::prelude::*;

use crate::{
    format::{bytes, percent},
    state::lease::board::Board,
    text::leases,
};

/// The bars; nothing until the usage is known.
#[component]
pub fn Usage(
    /// The container.
    ctid: u32,
) -> impl IntoView {
    let board = Board::get();
    let usage = board.usage_of(ctid);
    let samples = board.samples_of(ctid);
    let share = |used: u64, total: u64| {
        if total == 0 {
            0.0
        } else {
            used as f64 / total as f64
        }
    };
    let known = Memo::new(move |_| usage.with(Option::is_some));
    let cpu = move || usage.with(|usage| usage.as_ref().map_or(0.0, |usage| usage.cpu));
    let memory = move || {
        usage.with(|usage| {
            usage
                .as_ref()
                .map_or((0, 0), |usage| (usage.memory_used, usage.memory_total))
        })
    };
    let disk = move || {
        usage.with(|usage| {
            usage
                .as_ref()
                .map_or((0, 0), |usage| (usage.disk_used, usage.disk_total))
        })
    };
    let of = |(used, total): (u64, u64)| format!("{} / {}", bytes(used), bytes(total));
    let line = move || {
        samples.get().points().map(|points| {
            view! {
                <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label=leases::CPU_LINE>
                    <polyline points=points />
                </svg>
            }
        })
    };
    move || {
        known.get().then(|| {
            view! {
                <div class="usage">
                    <Bar name=leases::CPU share=Signal::derive(cpu) words=Signal::derive(move || percent(cpu())) />
                    <Bar name=leases::MEMORY share=Signal::derive(move || { let (used, total) = memory(); share(used, total) }) words=Signal::derive(move || of(memory())) />
                    <Bar name=leases::DISK share=Signal::derive(move || { let (used, total) = disk(); share(used, total) }) words=Signal::derive(move || of(disk())) />
                    {line}
                </div>
            }
        })
    }
}

#[component]
fn Bar(name: &'static str, share: Signal<f64>, words: Signal<String>) -> impl IntoView {
    let width = move || format!("{:.1}%", share.get().clamp(0.0, 1.0) * 100.0);
    view! {
        <div class="bar">
            <span class="bar-name">{name}</span>
            <span class="bar-track" role="meter" aria-label=name aria-valuemin="0" aria-valuemax="1"
                aria-valuenow=move || format!("{:.2}", share.get().clamp(0.0, 1.0)) aria-valuetext=move || words.get()>
                <span class="bar-fill" style:width=width></span>
            </span>
            <span class="bar-words number" translate="no" prop:textContent=move || words.get()></span>
        </div>
    }
}
