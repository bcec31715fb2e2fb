//! A terminal's connection: opened with a ticket, mended after a cut with the ticket that the server gave for that.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use api_types::{ConsoleResponse, Secret};
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::{BinaryType, CloseEvent, HtmlElement, MessageEvent, WebSocket};

use super::{
    TerminalState,
    protocol::{self, LARGEST_FRAME, Next},
    screen::{self, Screen},
};
use crate::{engine::clock, text::leases::terminal};

/// How long a screen has another size, so that it is redrawn.
const NUDGED_FOR: Duration = Duration::from_millis(250);

/// What a terminal tells its page.
#[derive(Clone, Copy, Debug)]
pub struct TerminalEvents {
    /// How it is doing.
    pub on_state: Callback<TerminalState>,
    /// Several lines were pasted and not sent. Ask, and then give them to [`TerminalHandle::paste`].
    pub on_paste: Callback<String>,
}

/// A terminal on the page. It ends when the last copy of this is dropped.
#[derive(Clone)]
pub struct TerminalHandle(Rc<Link>);

impl TerminalHandle {
    /// Takes the keyboard.
    pub fn focus(&self) {
        self.0.on_screen(Screen::focus);
    }

    /// Takes the size of its element.
    pub fn fit(&self) {
        self.0.on_screen(Screen::fit);
    }

    /// Sends a text as if it had been typed.
    pub fn paste(&self, text: &str) {
        self.0.on_screen(|screen| screen.paste(text));
    }

    /// Sends keys that the customer's keyboard lacks.
    pub fn send(&self, keys: &str) {
        self.0.send(keys.as_bytes());
    }

    /// Ends it.
    pub fn close(&self) {
        self.0.end();
    }
}

struct Link {
    url: Secret,
    ticket: RefCell<Secret>,
    can_resume: Cell<bool>,
    /// The next bytes are the first since a cut.
    is_back: Cell<bool>,
    attempt: Cell<u32>,
    cut_at: Cell<Option<u64>>,
    over: Cell<bool>,
    screen: RefCell<Option<Screen>>,
    socket: RefCell<Option<Socket>>,
    events: TerminalEvents,
}

struct Socket {
    socket: WebSocket,
    _open: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // 1000 tells the server that nobody comes back; a socket that is closed already says no more.
        let _ = self.socket.close_with_code(1000);
    }
}

/// Opens a console in an element.
pub fn mount(
    host: HtmlElement,
    console: &ConsoleResponse,
    events: TerminalEvents,
) -> TerminalHandle {
    let link = Rc::new(Link {
        url: console.websocket_url.clone(),
        ticket: RefCell::new(console.ticket.clone()),
        can_resume: Cell::new(false),
        is_back: Cell::new(false),
        attempt: Cell::new(0),
        cut_at: Cell::new(None),
        over: Cell::new(false),
        screen: RefCell::new(None),
        socket: RefCell::new(None),
        events,
    });
    events.on_state.run(TerminalState::Loading);
    let weak = Rc::downgrade(&link);
    spawn_local(async move {
        let loaded = screen::load().await;
        let Some(link) = weak.upgrade().filter(|link| !link.over.get()) else {
            return;
        };
        if let Err(words) = loaded.and_then(|()| link.show(&host)) {
            return link.events.on_state.run(TerminalState::Failed(words));
        }
        link.connect();
    });
    TerminalHandle(link)
}

impl Link {
    fn on_screen(&self, act: impl FnOnce(&Screen)) {
        if let Some(screen) = &*self.screen.borrow() {
            act(screen);
        }
    }

    fn show(self: &Rc<Self>, host: &HtmlElement) -> Result<(), String> {
        let (typing, sizing) = (Rc::downgrade(self), Rc::downgrade(self));
        let on_paste = self.events.on_paste;
        let screen = Screen::open(
            host,
            move |text| with(&typing, |link| link.send(text.as_bytes())),
            move |size| with(&sizing, |link| link.say(&protocol::size_message(size))),
            move |text| on_paste.run(text),
        )?;
        self.screen.replace(Some(screen));
        Ok(())
    }

    fn connect(self: &Rc<Self>) {
        self.events.on_state.run(TerminalState::Connecting);
        let Ok(socket) = WebSocket::new(self.url.expose()) else {
            return self
                .events
                .on_state
                .run(TerminalState::Failed(terminal::BAD_ADDRESS.to_owned()));
        };
        socket.set_binary_type(BinaryType::Arraybuffer);
        let weak = || Rc::downgrade(self);
        let (opening, hearing, closing) = (weak(), weak(), weak());
        let open = Closure::<dyn FnMut()>::new(move || with(&opening, |link| link.opened()));
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            with(&hearing, |link| link.heard(&event));
        });
        let close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            with(&closing, |link| link.closed(event.code(), &event.reason()));
        });
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        self.socket.replace(Some(Socket {
            socket,
            _open: open,
            _message: message,
            _close: close,
        }));
    }

    fn opened(&self) {
        let mut size = (80, 24);
        self.on_screen(|screen| size = screen.size());
        let first = protocol::first_message(&self.ticket.borrow(), size);
        self.say(&first);
    }

    fn heard(self: &Rc<Self>, event: &MessageEvent) {
        let data = event.data();
        if let Some(text) = data.as_string() {
            if self.can_resume.get() {
                self.is_back.set(true);
                self.redraw();
            }
            if let Some(ticket) = protocol::ticket_to_resume(&text) {
                self.ticket.replace(ticket);
                self.can_resume.set(true);
            }
            self.attempt.set(0);
            self.cut_at.set(None);
            self.events.on_state.run(TerminalState::Open);
            self.on_screen(Screen::focus);
        } else if let Ok(bytes) = data.dyn_into::<ArrayBuffer>() {
            let mut bytes = Uint8Array::new(&bytes);
            if self.is_back.replace(false) {
                bytes = Uint8Array::from(protocol::without_clearing(&bytes.to_vec()));
            }
            self.on_screen(|screen| screen.write(&bytes));
        }
    }

    /// The shell has gone on without anybody, and does not know what is on the screen: it is made to show its prompt or its program
    /// again.
    fn redraw(self: &Rc<Self>) {
        let size = |link: &Self| {
            let mut size = (80, 24);
            link.on_screen(|screen| size = screen.size());
            size
        };
        self.say(&protocol::size_message(protocol::nudged(size(self))));
        let weak = Rc::downgrade(self);
        set_timeout(
            move || with(&weak, |link| link.say(&protocol::size_message(size(link)))),
            NUDGED_FOR,
        );
    }

    fn closed(self: &Rc<Self>, code: u16, given: &str) {
        if self.over.get() {
            return;
        }
        let cut_at = self.cut_at.get().unwrap_or_else(clock::now);
        self.cut_at.set(Some(cut_at));
        let since = clock::now().saturating_sub(cut_at);
        match protocol::after_close(code, self.can_resume.get(), since) {
            Next::Over => {
                self.over.set(true);
                let reason = protocol::reason(code, given);
                self.events
                    .on_state
                    .run(TerminalState::Closed { code, reason });
            }
            Next::Again => {
                self.events.on_state.run(TerminalState::Connecting);
                let attempt = self.attempt.get() + 1;
                self.attempt.set(attempt);
                let weak = Rc::downgrade(self);
                spawn_local(async move {
                    clock::pause(protocol::pause(attempt)).await;
                    if let Some(link) = weak.upgrade()
                        && !link.over.get()
                    {
                        link.connect();
                    }
                });
            }
        }
    }

    fn send(&self, bytes: &[u8]) {
        if let Some(socket) = self.connected() {
            for frame in bytes.chunks(LARGEST_FRAME) {
                // What is typed while the line is cut is lost, as the state shows.
                let _ = socket.send_with_u8_array(frame);
            }
        }
    }

    fn say(&self, text: &str) {
        if let Some(socket) = self.connected() {
            let _ = socket.send_with_str(text);
        }
    }

    fn connected(&self) -> Option<WebSocket> {
        let socket = self.socket.borrow().as_ref()?.socket.clone();
        (socket.ready_state() == WebSocket::OPEN).then_some(socket)
    }

    fn end(&self) {
        self.over.set(true);
        self.socket.replace(None);
        self.screen.replace(None);
    }
}

fn with(link: &Weak<Link>, act: impl FnOnce(&Rc<Link>)) {
    if let Some(link) = link.upgrade() {
        act(&link);
    }
}
