//! A terminal's connection: opened with a ticket, and reconnected with the ticket that the server
//! sends for that.

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
    protocol::{self, AfterClose, LARGEST_FRAME},
    screen::{self, Screen},
};
use crate::{browser::clock, text::leases::terminal};

/// How long the terminal has another size, so that the shell redraws it.
const OTHER_SIZE_FOR: Duration = Duration::from_millis(250);

/// The callbacks of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct TerminalEvents {
    /// Its state has changed.
    pub on_state: Callback<TerminalState>,
    /// Several lines were pasted and not sent. Ask the customer, then call
    /// [`TerminalHandle::paste`].
    pub on_paste: Callback<String>,
}

/// A terminal on the page. It is closed when the last copy of this is dropped.
#[derive(Clone)]
pub struct TerminalHandle(Rc<Connection>);

impl TerminalHandle {
    /// Takes the focus.
    pub fn focus(&self) {
        self.0.on_screen(Screen::focus);
    }

    /// Adapts to the size of its element.
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

    /// Closes it.
    pub fn close(&self) {
        self.0.end();
    }
}

struct Connection {
    url: Secret,
    ticket: RefCell<Secret>,
    can_resume: Cell<bool>,
    /// The next bytes are the first after reconnecting.
    has_reconnected: Cell<bool>,
    attempt: Cell<u32>,
    lost_at: Cell<Option<u64>>,
    is_over: Cell<bool>,
    screen: RefCell<Option<Screen>>,
    socket: RefCell<Option<OpenSocket>>,
    events: TerminalEvents,
}

struct OpenSocket {
    socket: WebSocket,
    _open: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // 1000 tells the server that there will be no reconnect. A closed socket ignores it.
        let _ = self.socket.close_with_code(1000);
    }
}

/// Opens a terminal in an element.
pub fn mount(
    host: HtmlElement,
    console: &ConsoleResponse,
    events: TerminalEvents,
) -> TerminalHandle {
    let connection = Rc::new(Connection {
        url: console.websocket_url.clone(),
        ticket: RefCell::new(console.ticket.clone()),
        can_resume: Cell::new(false),
        has_reconnected: Cell::new(false),
        attempt: Cell::new(0),
        lost_at: Cell::new(None),
        is_over: Cell::new(false),
        screen: RefCell::new(None),
        socket: RefCell::new(None),
        events,
    });
    events.on_state.run(TerminalState::Loading);
    let weak = Rc::downgrade(&connection);
    spawn_local(async move {
        let loaded = screen::load().await;
        let Some(connection) = weak
            .upgrade()
            .filter(|connection| !connection.is_over.get())
        else {
            return;
        };
        if let Err(reason) = loaded.and_then(|()| connection.show(&host)) {
            return connection
                .events
                .on_state
                .run(TerminalState::Failed(reason));
        }
        connection.connect();
    });
    TerminalHandle(connection)
}

impl Connection {
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
            move |text| with(&typing, |connection| connection.send(text.as_bytes())),
            move |size| {
                with(&sizing, |connection| {
                    connection.send_text(&protocol::size_message(size))
                })
            },
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
        let (opening, receiving, closing) = (weak(), weak(), weak());
        let open =
            Closure::<dyn FnMut()>::new(move || with(&opening, |connection| connection.on_open()));
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            with(&receiving, |connection| connection.on_message(&event));
        });
        let close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            with(&closing, |connection| {
                connection.on_close(event.code(), &event.reason())
            });
        });
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        self.socket.replace(Some(OpenSocket {
            socket,
            _open: open,
            _message: message,
            _close: close,
        }));
    }

    fn on_open(&self) {
        let mut size = (80, 24);
        self.on_screen(|screen| size = screen.size());
        let first = protocol::first_message(&self.ticket.borrow(), size);
        self.send_text(&first);
    }

    fn on_message(self: &Rc<Self>, event: &MessageEvent) {
        let data = event.data();
        if let Some(text) = data.as_string() {
            if self.can_resume.get() {
                self.has_reconnected.set(true);
                self.redraw();
            }
            if let Some(ticket) = protocol::resume_ticket(&text) {
                self.ticket.replace(ticket);
                self.can_resume.set(true);
            }
            self.attempt.set(0);
            self.lost_at.set(None);
            self.events.on_state.run(TerminalState::Open);
            self.on_screen(Screen::focus);
        } else if let Ok(bytes) = data.dyn_into::<ArrayBuffer>() {
            let mut bytes = Uint8Array::new(&bytes);
            if self.has_reconnected.replace(false) {
                bytes = Uint8Array::from(protocol::without_clearing(&bytes.to_vec()));
            }
            self.on_screen(|screen| screen.write(&bytes));
        }
    }

    /// Makes the shell draw its prompt or its program again: it went on without a client and does
    /// not know what the screen shows.
    fn redraw(self: &Rc<Self>) {
        let size = |connection: &Self| {
            let mut size = (80, 24);
            connection.on_screen(|screen| size = screen.size());
            size
        };
        self.send_text(&protocol::size_message(protocol::other_size(size(self))));
        let weak = Rc::downgrade(self);
        set_timeout(
            move || {
                with(&weak, |connection| {
                    connection.send_text(&protocol::size_message(size(connection)))
                })
            },
            OTHER_SIZE_FOR,
        );
    }

    fn on_close(self: &Rc<Self>, code: u16, given: &str) {
        if self.is_over.get() {
            return;
        }
        let lost_at = self.lost_at.get().unwrap_or_else(clock::now);
        self.lost_at.set(Some(lost_at));
        let since = clock::now().saturating_sub(lost_at);
        match protocol::after_close(code, self.can_resume.get(), since) {
            AfterClose::End => {
                self.is_over.set(true);
                let reason = protocol::reason(code, given);
                self.events
                    .on_state
                    .run(TerminalState::Closed { code, reason });
            }
            AfterClose::Reconnect => {
                self.events.on_state.run(TerminalState::Connecting);
                let attempt = self.attempt.get() + 1;
                self.attempt.set(attempt);
                let weak = Rc::downgrade(self);
                spawn_local(async move {
                    clock::pause(protocol::backoff(attempt)).await;
                    if let Some(connection) = weak.upgrade()
                        && !connection.is_over.get()
                    {
                        connection.connect();
                    }
                });
            }
        }
    }

    fn send(&self, bytes: &[u8]) {
        if let Some(socket) = self.connected() {
            for frame in bytes.chunks(LARGEST_FRAME) {
                // A frame that cannot be sent is lost; the state shows that the connection is.
                let _ = socket.send_with_u8_array(frame);
            }
        }
    }

    fn send_text(&self, text: &str) {
        if let Some(socket) = self.connected() {
            let _ = socket.send_with_str(text);
        }
    }

    fn connected(&self) -> Option<WebSocket> {
        let socket = self.socket.borrow().as_ref()?.socket.clone();
        (socket.ready_state() == WebSocket::OPEN).then_some(socket)
    }

    fn end(&self) {
        self.is_over.set(true);
        self.socket.replace(None);
        self.screen.replace(None);
    }
}

fn with(connection: &Weak<Connection>, act: impl FnOnce(&Rc<Connection>)) {
    if let Some(connection) = connection.upgrade() {
        act(&connection);
    }
}
