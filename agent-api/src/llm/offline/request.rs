//! Turns the conversation into the next step. The intent is that of the last sentence; if that
//! answers a question of the assistant, it is that of the sentence before. Sizes, times and
//! containers count from all sentences about the same request.

use serde_json::{Map, Value, json};

use super::{
    NextStep, answer,
    duration::minutes,
    inside::InsideRequest,
    intent::{self, Intent},
    ports,
    run::RunRequest,
    serve::{ServePlan, ToolStep},
    words::{self, Word},
};
use crate::conversation::{Message, call_of, last_words};

/// The step after the results of tools, for a request that takes several.
pub(super) fn go_on(conversation: &[Message]) -> Option<NextStep> {
    let is_user = |message: &Message| matches!(message, Message::User { .. });
    let asked = conversation.iter().rposition(is_user)?;
    let (said, since) = conversation.split_at(asked + 1);
    let sentence = last_words(said);
    let heard = ParsedRequest {
        sentence,
        all: words::split(sentence),
        conversation: said,
    };
    let plan = heard.serve_plan(asked_before(said))?;
    let steps = since.iter().filter_map(|message| {
        let Message::Tool { call, text } = message else {
            return None;
        };
        let called = call_of(since, call)?;
        Some(ToolStep {
            tool: &called.tool,
            arguments: serde_json::from_str(&called.arguments).ok()?,
            result: serde_json::from_str(text).ok()?,
        })
    });
    plan.next(&steps.collect::<Vec<_>>())
}

/// The next step.
pub(super) fn understand(conversation: &[Message]) -> NextStep {
    let sentence = last_words(conversation);
    let words = words::split(sentence);
    let asked = asked_before(conversation);
    let inside = InsideRequest::find(sentence);
    let found = match &inside {
        Some(_) => Some(Intent::Inside),
        None => intent::find_intent(&words),
    };
    let intent = match (found, asked) {
        // The sentence answers a question of the assistant; its intent is that of the question.
        (None | Some(Intent::Lease), Some((before, _))) => Some(before),
        (intent, _) => intent,
    };
    let context = match asked {
        Some((before, said)) if Some(before) == intent => words::split(said),
        _ => Vec::new(),
    };
    let heard = ParsedRequest {
        sentence,
        all: context.into_iter().chain(words.iter().cloned()).collect(),
        conversation,
    };
    match intent {
        None => NextStep::Say(answer::NOT_UNDERSTOOD.to_owned()),
        Some(Intent::Help) => NextStep::Say(answer::HELP.to_owned()),
        Some(Intent::Greeting) => NextStep::Say(answer::GREETING.to_owned()),
        Some(Intent::Thanks) => NextStep::Say("You are welcome.".to_owned()),
        Some(Intent::Yes) => NextStep::Say(answer::YES.to_owned()),
        Some(Intent::No) => NextStep::Say("Nothing was done.".to_owned()),
        Some(Intent::Lease) => heard.lease("lease_container"),
        Some(Intent::Quote) => heard.lease("quote_lease"),
        Some(Intent::Renew) => heard.renew(),
        Some(Intent::Run) => heard.run(),
        Some(Intent::Console) => heard.about("open_container_console", answer::WHICH_CONSOLE),
        Some(Intent::Stop) => heard.about("stop_container", answer::WHICH_STOP),
        Some(Intent::Start) => heard.about("start_container", answer::WHICH_START),
        Some(Intent::Destroy) => heard.about("destroy_lease", answer::WHICH_DESTROY),
        Some(Intent::Traffic) => heard.about("get_container_usage", answer::WHICH_TRAFFIC),
        Some(Intent::Inside) => heard.inside(inside, asked),
        Some(Intent::List) => NextStep::Call("list_managed_containers", json!({})),
        Some(Intent::NodeStats) => NextStep::Call("get_node_stats", json!({})),
        Some(Intent::LxcStats) => NextStep::Call("list_lxc_stats", json!({})),
    }
}

/// The question in the assistant's last message, and the customer's message before it.
fn asked_before(conversation: &[Message]) -> Option<(Intent, &str)> {
    let mut backwards = conversation.iter().rev().skip(1);
    let Message::Assistant { text, .. } = backwards.next()? else {
        return None;
    };
    // A notice may come before the question.
    let asked = |question: &str| text.trim_end().ends_with(question);
    let questions = [
        (answer::HOW_LONG, Intent::Lease),
        (answer::HOW_LONG_QUOTE, Intent::Quote),
        (answer::WHICH_RENEW, Intent::Renew),
        (answer::HOW_LONG_RENEW, Intent::Renew),
        (answer::WHICH_CONSOLE, Intent::Console),
        (answer::WHICH_STOP, Intent::Stop),
        (answer::WHICH_START, Intent::Start),
        (answer::WHICH_DESTROY, Intent::Destroy),
        (answer::WHICH_TRAFFIC, Intent::Traffic),
        (answer::WHICH_COMMAND, Intent::Run),
        (answer::WHICH_INSIDE, Intent::Inside),
    ];
    let (_, intent) = questions.iter().find(|(question, _)| asked(question))?;
    let intent = *intent;
    let said = backwards.find_map(|message| match message {
        Message::User { text } => Some(text.as_str()),
        _ => None,
    })?;
    Some((intent, said))
}

/// All sentences that count for the current request.
struct ParsedRequest<'a> {
    sentence: &'a str,
    all: Vec<Word>,
    conversation: &'a [Message],
}

impl ParsedRequest<'_> {
    fn lease(&self, tool: &'static str) -> NextStep {
        let size = self.size();
        let whole = |(name, value): &(String, Value)| name != "cores" || value.is_u64();
        if !size.iter().all(whole) {
            return NextStep::Say(answer::WHOLE_CORES.to_owned());
        }
        let Some(minutes) = minutes(&self.all) else {
            let question = match tool {
                "quote_lease" => answer::HOW_LONG_QUOTE,
                _ => answer::HOW_LONG,
            };
            return NextStep::Say(question.to_owned());
        };
        let mut arguments = Map::from_iter([("runtimeMinutes".to_owned(), json!(minutes))]);
        arguments.extend(size);
        if let Some(name) = self.name() {
            arguments.insert("hostname".to_owned(), json!(name));
        }
        NextStep::Call(tool, Value::Object(arguments))
    }

    fn renew(&self) -> NextStep {
        match (self.container(), minutes(&self.all)) {
            (None, _) => NextStep::Say(answer::WHICH_RENEW.to_owned()),
            (_, None) => NextStep::Say(answer::HOW_LONG_RENEW.to_owned()),
            (Some(ctid), Some(minutes)) => NextStep::Call(
                "renew_lease",
                json!({ "ctid": ctid, "runtimeMinutes": minutes }),
            ),
        }
    }

    fn run(&self) -> NextStep {
        let Some(run) = RunRequest::find(self.sentence) else {
            return NextStep::Say(answer::WHICH_COMMAND.to_owned());
        };
        // The command's own numbers are no container's.
        let Some(ctid) = run.container().or_else(|| self.last_container()) else {
            return NextStep::Say(answer::WHICH_COMMAND.to_owned());
        };
        let mut arguments = json!({ "ctid": ctid, "command": run.command });
        if run.background {
            arguments["background"] = Value::Bool(true);
        }
        NextStep::Call("exec_container_command", arguments)
    }

    /// A request about the inside of a container, from this sentence or from the one that the
    /// assistant asked about, and the container.
    fn found_inside(
        &self,
        found: Option<InsideRequest>,
        asked: Option<(Intent, &str)>,
    ) -> Option<(InsideRequest, Option<u64>)> {
        let answers = found.is_none();
        let said = asked.filter(|_| answers).map(|(_, said)| said);
        let request = found.or_else(|| InsideRequest::find(said?))?;
        let own = words::split(self.sentence);
        let answer = answers.then(|| words::container_number(&own)).flatten();
        let ctid = answer.or_else(|| match request.publishes() {
            true => self.published_container(request.place()),
            false => words::container_number(request.place()).or_else(|| self.last_container()),
        });
        Some((request, ctid))
    }

    fn inside(&self, found: Option<InsideRequest>, asked: Option<(Intent, &str)>) -> NextStep {
        match self.found_inside(found, asked) {
            None => NextStep::Say(answer::NOT_UNDERSTOOD.to_owned()),
            Some((request, None)) => {
                let question = request.question().unwrap_or(answer::WHICH_INSIDE);
                NextStep::Say(question.to_owned())
            }
            Some((request, Some(ctid))) => request.step(ctid, self.said_before()),
        }
    }

    /// The plan of a request to serve a page.
    fn serve_plan(&self, asked: Option<(Intent, &str)>) -> Option<ServePlan> {
        let found = InsideRequest::find(self.sentence);
        let (request, ctid) = self.found_inside(found, asked)?;
        request.serve_plan(ctid?, self.said_before())
    }

    /// The container whose port is meant: by its number, by its name if the conversation has it, or
    /// else the one that was mentioned last. Two containers or an unknown name are none.
    fn published_container(&self, place: &[Word]) -> Option<u64> {
        let mut named = words::named_containers(place);
        if let Some(first) = named.next() {
            return named.all(|other| other == first).then_some(first);
        }
        match ports::container_name(place) {
            Some(name) => self.container_with(name),
            None => words::container_number(place).or_else(|| self.last_container()),
        }
    }

    /// The container with this name: of `container 100 (box)`, or of a lease of one `named box`.
    fn container_with(&self, name: &str) -> Option<u64> {
        let mut leased = None;
        self.said_before().find_map(|text| {
            let words = words::split(text);
            let listed = words.windows(3).find_map(|three| match three {
                [
                    Word::Text(container),
                    Word::Number(number),
                    Word::Text(listed),
                ] if container == "container" && listed == name => Some(*number as u64),
                _ => None,
            });
            let asked_for = ["named", "called", "hostname"];
            let names_it = asked_for
                .iter()
                .any(|word| words::follows(&words, word, name));
            let found = listed.or(leased.filter(|_| names_it));
            leased = words::named_container(&words);
            found
        })
    }

    fn about(&self, tool: &'static str, question: &str) -> NextStep {
        match self.container() {
            Some(ctid) => NextStep::Call(tool, json!({ "ctid": ctid })),
            None => NextStep::Say(question.to_owned()),
        }
    }

    /// Numbers before `cores`, `gb ram` and the like.
    fn size(&self) -> Vec<(String, Value)> {
        let mut found: Vec<(String, Value)> = Vec::new();
        for (position, word) in self.all.iter().enumerate() {
            let Word::Number(number) = word else { continue };
            let after = |ahead: usize| self.all.get(position + ahead).map_or("", Word::text);
            let mut note = |name: &str, value: f64| {
                found.retain(|(known, _)| known != name);
                let whole = value.fract() == 0.0 || name != "cores";
                let value = if whole {
                    json!(value.round() as u64)
                } else {
                    json!(value)
                };
                found.push((name.to_owned(), value));
            };
            match after(1) {
                "core" | "cores" | "cpu" | "cpus" | "vcpu" | "vcpus" => note("cores", *number),
                unit @ ("gb" | "gib" | "g" | "gig" | "gigs" | "mb" | "mib" | "m" | "tb") => {
                    let mebibytes = match unit {
                        "mb" | "mib" | "m" => *number,
                        "tb" => number * 1_048_576.0,
                        _ => number * 1024.0,
                    };
                    let next = if after(2) == "of" { after(3) } else { after(2) };
                    let disk = ["disk", "storage", "ssd", "drive", "space"].contains(&next);
                    match (disk, unit) {
                        // `m` alone means minutes more often than megabytes.
                        (false, "m") => {}
                        (true, _) => note("diskGB", mebibytes / 1024.0),
                        (false, _) => note("memoryMB", mebibytes),
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The word after `named` or `called`.
    fn name(&self) -> Option<String> {
        let position = self
            .all
            .iter()
            .position(|word| ["named", "called", "hostname"].contains(&word.text()))?;
        match self.all.get(position + 1)? {
            Word::Text(name) => Some(name.clone()),
            Word::Number(_) => None,
        }
    }

    /// The container's number: from this sentence, or the last one mentioned.
    fn container(&self) -> Option<u64> {
        words::container_number(&self.all).or_else(|| self.last_container())
    }

    /// The container that was mentioned last before this sentence.
    fn last_container(&self) -> Option<u64> {
        self.said_before()
            .find_map(|text| words::named_container(&words::split(text)))
    }

    /// The texts of customer and assistant before this sentence, the last first, without examples
    /// and without what a container printed.
    fn said_before(&self) -> impl Iterator<Item = &str> {
        let before = self.conversation.iter().rev().skip(1);
        before.filter_map(|message| match message {
            Message::User { text } => Some(text.as_str()),
            Message::Assistant { text, .. } if !answer::has_examples(text) => {
                text.split(answer::CODE_FENCE).next()
            }
            Message::Assistant { .. } | Message::Tool { .. } => None,
        })
    }
}
