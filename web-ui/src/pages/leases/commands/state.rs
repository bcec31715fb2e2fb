//! The list of a container's background commands, and the output of the one that is open.

use api_types::{CommandList, CommandOutput, CommandSignal, CommandState, CommandView};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    engine::{Engine, use_engine},
    http::RequestError,
    state::remote::Remote,
    text::commands,
};

/// What the open command has printed, as far as it was read.
#[derive(Clone, PartialEq)]
pub struct OpenOutput {
    id: String,
    pub stdout: String,
    pub stderr: String,
    /// Where to read on.
    next: (u64, u64),
    /// Something was read.
    pub is_known: bool,
}

/// The commands of one container.
#[derive(Clone, Copy)]
pub struct BackgroundCommands {
    engine: Engine,
    lease: StoredValue<String>,
    list: Remote<CommandList>,
    open: RwSignal<Option<OpenOutput>>,
    /// Commands that were asked to end.
    asked: RwSignal<Vec<String>>,
    /// A request about a command is under way.
    pub busy: RwSignal<bool>,
    /// Why the last one failed.
    pub problem: RwSignal<Option<String>>,
    /// What was done last.
    pub done: RwSignal<Option<String>>,
}

impl BackgroundCommands {
    /// Requests the list.
    pub fn new(lease: String) -> Self {
        let commands = Self {
            engine: use_engine(),
            lease: StoredValue::new(lease),
            list: Remote::new(),
            open: RwSignal::new(None),
            asked: RwSignal::new(Vec::new()),
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
            done: RwSignal::new(None),
        };
        commands.reload();
        commands
    }

    /// The commands, once they are known.
    pub fn list(self) -> Signal<Option<CommandList>> {
        self.list.value()
    }

    /// Why they are not known.
    pub fn error(self) -> Signal<Option<RequestError>> {
        self.list.error()
    }

    /// The output of the open command.
    pub fn output(self) -> Signal<Option<OpenOutput>> {
        self.open.into()
    }

    /// Whether the output of this command is shown.
    pub fn is_open(self, id: &str) -> bool {
        self.open
            .with(|open| open.as_ref().is_some_and(|open| open.id == id))
    }

    /// Whether this command was asked to end.
    pub fn was_asked(self, id: &str) -> bool {
        self.asked
            .with(|asked| asked.iter().any(|asked| asked == id))
    }

    /// Whether the open command has printed more than is shown, or may still.
    pub fn has_more(self) -> bool {
        self.open.with(|open| {
            let Some(open) = open.as_ref().filter(|open| open.is_known) else {
                return false;
            };
            self.list.value().with(|list| {
                let mut all = list.iter().flat_map(|list| &list.commands);
                all.find(|command| command.command_id == open.id)
                    .is_some_and(|command| {
                        let (stdout, stderr) = open.next;
                        command.state == CommandState::Running
                            || command.stdout_bytes > stdout
                            || command.stderr_bytes > stderr
                    })
            })
        })
    }

    /// Requests the list again, and more of the open output.
    pub fn reload(self) {
        let Some(lease) = self.lease.try_get_value() else {
            return;
        };
        let api = self.engine.lease;
        self.list.request(async move {
            let listed = api.commands(&lease).await;
            // Only now: output that is read meanwhile would make this response an older one.
            self.read_on();
            listed
        });
    }

    /// Shows the output of a command, or hides it.
    pub fn toggle(self, id: String) {
        self.problem.set(None);
        if self.is_open(&id) {
            return self.open.set(None);
        }
        self.open.set(Some(OpenOutput {
            id,
            stdout: String::new(),
            stderr: String::new(),
            next: (0, 0),
            is_known: false,
        }));
        self.read_on();
    }

    /// Reads what the open command has printed since.
    pub fn read_on(self) {
        let open = self.open.try_with_untracked(|open| {
            let open = open.as_ref()?;
            Some((open.id.clone(), open.next))
        });
        // The panel may have left the page.
        let (Some(Some((id, next))), Some(lease)) = (open, self.lease.try_get_value()) else {
            return;
        };
        let api = self.engine.lease;
        self.busy.set(true);
        spawn_local(async move {
            match api.command_output(&lease, &id, next).await {
                Ok(output) => self.show(next, output),
                Err(error) => self.fail(&error),
            }
            self.busy.try_set(false);
        });
    }

    /// Adds output that was read from `from` on, unless it was added or the command closed since.
    fn show(self, from: (u64, u64), output: CommandOutput) {
        self.open.try_update(|open| {
            let Some(open) = open else { return };
            if open.id == output.command.command_id && open.next == from {
                open.stdout.push_str(&output.stdout);
                open.stderr.push_str(&output.stderr);
                open.next = (output.stdout_offset, output.stderr_offset);
                open.is_known = true;
            }
        });
        self.replace(output.command);
    }

    /// Asks a command to end; one that was asked is killed.
    pub fn stop(self, id: String, shown: String) {
        if self.busy.get_untracked() {
            return;
        }
        let kill = self.asked.with_untracked(|asked| asked.contains(&id));
        let (signal, done) = match kill {
            true => (CommandSignal::Kill, commands::killed(&shown)),
            false => (CommandSignal::Term, commands::asked(&shown)),
        };
        let (api, lease) = (self.engine.lease, self.lease.get_value());
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            match api.signal_command(&lease, &id, signal).await {
                Ok(command) => {
                    self.done.try_set(Some(done));
                    self.asked.try_update(|asked| asked.push(id));
                    self.replace(command);
                }
                Err(error) => self.fail(&error),
            }
            self.busy.try_set(false);
        });
    }

    fn fail(self, error: &RequestError) {
        self.problem.try_set(Some(error.to_string()));
    }

    /// A newer state of a command.
    fn replace(self, newer: CommandView) {
        // The panel may have left the page.
        if self.lease.try_get_value().is_some() {
            self.list.change(|list| {
                let mut all = list.commands.iter_mut();
                if let Some(known) = all.find(|known| known.command_id == newer.command_id) {
                    *known = newer;
                }
            });
        }
    }
}
