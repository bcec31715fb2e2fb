//! The chunk `pages`: all pages but the chat, the terminal's window, the lists of commands and
//! keys, what customers with leases see on every page, and what the frame needs once the page is
//! idle.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use crate::{
    components::{
        dialog::{BACK_BUTTON, BackButton, back_button},
        key_list::KeyList,
        terminal::{TERMINAL_SCREEN, TerminalScreen},
        toasts::{TOAST_LIST, list::ToastList},
    },
    lazy::NotLoaded,
    pages::{
        LAZY_PAGES, lazy_pages,
        leases::{
            expiry_warnings::ExpiryWarnings,
            lease_holder::{LEASE_HOLDER, LeaseHolderViews},
            mobile_lease_sheet::MobileLeaseSheet,
        },
    },
    shell::{
        banners::{DEVICE_BANNERS, DeviceBanners},
        idle::{IDLE, sync_tabs},
        keyboard::{OVERLAY_VIEWS, OverlayViews},
        palette::Palette,
    },
    state::lease::board::{BOARD_REFRESH, Board},
};

/// Fills the tables of the chunk.
#[wasm_split(pages, fallible)]
pub fn pages() -> Result<(), NotLoaded> {
    LAZY_PAGES.fill(lazy_pages());
    BOARD_REFRESH.fill(Board::request);
    LEASE_HOLDER.fill(LeaseHolderViews {
        warnings: || view! { <ExpiryWarnings /> }.into_any(),
        mobile_sheet: || view! { <MobileLeaseSheet /> }.into_any(),
    });
    TERMINAL_SCREEN.fill(|console, hostname| {
        view! { <TerminalScreen console=console hostname=hostname /> }.into_any()
    });
    OVERLAY_VIEWS.fill(OverlayViews {
        palette: || view! { <Palette /> }.into_any(),
        keys: || view! { <KeyList /> }.into_any(),
    });
    TOAST_LIST.fill(|| view! { <ToastList /> }.into_any());
    DEVICE_BANNERS.fill(|| view! { <DeviceBanners /> }.into_any());
    BACK_BUTTON.fill(BackButton {
        opened: back_button::opened,
        closed: back_button::closed,
    });
    IDLE.fill(|engine| {
        back_button::listen();
        sync_tabs(engine);
    });
    Ok(())
}
