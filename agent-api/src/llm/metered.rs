//! A model with a budget. A provider is paid by the token, so each day has a number of them, and
//! each network a share; where one is used up, the built-in rules answer until the day is over, and
//! say so. What a call will cost is known only afterwards: it is counted as estimated while it
//! runs, and as reported when it ends. Days are those of UTC.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use api_types::AgentInfo;
use async_trait::async_trait;
use service::{caller::network_of, clock::Clock, health::Finding};

use super::{Model, ModelError, Question, Words, instructions, offline::Offline};
use crate::{
    conversation::{Message, ToolCall},
    tools::REGISTRY,
    turn::Said,
};

/// What the customer reads before the rules' first answer in a turn.
const USED_UP: &str =
    "The language model's budget for today is used up, so built-in rules answer.\n\n";
/// Bytes of text that make a token, at least: the estimate is too high rather than too low.
const BYTES_PER_TOKEN: usize = 3;
/// The most networks that are counted before those that have used little are forgotten.
const MOST_NETWORKS: usize = 50_000;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Tokens of a day, 0 for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Of all callers: `LLM_TOKENS_PER_DAY`.
    pub of_all: u64,
    /// Of one network: `LLM_TOKENS_PER_ADDRESS`.
    pub of_one: u64,
}

/// The model, and the rules that stand in for it.
pub struct Metered {
    model: Arc<dyn Model>,
    rules: Offline,
    budget: Budget,
    clock: Arc<dyn Clock>,
    used: Mutex<Day>,
}

/// What was used on one day.
#[derive(Debug, Default)]
struct Day {
    number: u64,
    of_all: u64,
    by_network: HashMap<IpAddr, u64>,
    /// Whether the log has been told that the day is used up.
    told: bool,
}

impl Metered {
    /// A model with nothing used yet.
    pub fn new(model: Arc<dyn Model>, budget: Budget, clock: Arc<dyn Clock>) -> Self {
        Self {
            model,
            rules: Offline,
            budget,
            clock,
            used: Mutex::default(),
        }
    }

    /// Counts an estimate, if both budgets have something left.
    fn reserve(&self, network: IpAddr, tokens: u64) -> bool {
        let mut day = self.today();
        let left = |used: u64, most: u64| most == 0 || used < most;
        if !left(day.of_all, self.budget.of_all) {
            if !std::mem::replace(&mut day.told, true) {
                tracing::warn!(
                    tokens = day.of_all,
                    "LLM_TOKENS_PER_DAY is used up: rules answer"
                );
            }
            return false;
        }
        if day.by_network.len() >= MOST_NETWORKS {
            let much = self.budget.of_one / 2;
            day.by_network.retain(|_, used| *used > much);
        }
        let own = day.by_network.entry(network).or_default();
        if !left(*own, self.budget.of_one) {
            return false;
        }
        *own += tokens;
        day.of_all += tokens;
        true
    }

    /// Replaces an estimate by what it was.
    fn correct(&self, network: IpAddr, estimate: u64, tokens: u64) {
        let mut day = self.today();
        let corrected = |used: u64| used.saturating_sub(estimate) + tokens;
        day.of_all = corrected(day.of_all);
        let own = day.by_network.entry(network).or_default();
        *own = corrected(*own);
        metrics::counter!("model_tokens_total").increment(tokens);
    }

    fn today(&self) -> MutexGuard<'_, Day> {
        let number = self.clock.unix_seconds() / SECONDS_PER_DAY;
        let mut day = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if day.number != number {
            *day = Day {
                number,
                ..Day::default()
            };
        }
        day
    }
}

#[async_trait]
impl Model for Metered {
    async fn answer(&self, question: Question<'_>, words: Words<'_>) -> Result<Said, ModelError> {
        let network = network_of(question.address);
        let asked = tokens_of_question(&question);
        if !self.reserve(network, asked) {
            let first = matches!(question.conversation.last(), Some(Message::User { .. }));
            let notice = if first { USED_UP } else { "" };
            words(notice);
            let mut said = self.rules.answer(question, words).await?;
            said.text.insert_str(0, notice);
            return Ok(said);
        }
        let answer = self.model.answer(question, words).await;
        // Where the provider does not say, and where it failed, the estimate stands.
        let tokens = match &answer {
            Ok(said) => said.tokens.unwrap_or(asked + tokens_of_answer(said)),
            Err(_) => asked,
        };
        self.correct(network, asked, tokens);
        answer
    }

    fn info(&self) -> AgentInfo {
        self.model.info()
    }

    async fn check(&self) -> Finding {
        self.model.check().await
    }
}

fn tokens_of_question(question: &Question<'_>) -> u64 {
    let said = question.conversation.iter().map(|message| match message {
        Message::User { text } | Message::Tool { text, .. } => text.len(),
        Message::Assistant { text, calls } => text.len() + bytes_of(calls),
    });
    let tools = REGISTRY
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters().to_string().len());
    tokens(instructions().len() + tools.sum::<usize>() + said.sum::<usize>())
}

fn tokens_of_answer(said: &Said) -> u64 {
    tokens(said.text.len() + bytes_of(&said.calls))
}

fn bytes_of(calls: &[ToolCall]) -> usize {
    let calls = calls.iter();
    calls
        .map(|call| call.tool.len() + call.arguments.len())
        .sum()
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use service::clock::TestClock;

    use super::*;

    #[test]
    fn a_day_ends_and_an_estimate_is_replaced() {
        let clock = Arc::new(TestClock::at(SECONDS_PER_DAY));
        let budget = Budget {
            of_all: 1_000,
            of_one: 600,
        };
        let metered = Metered::new(Arc::new(Offline), budget, clock.clone());
        let network = |last: u8| IpAddr::from([10, 0, 0, last]);
        assert!(metered.reserve(network(1), 900));
        assert!(
            !metered.reserve(network(1), 1),
            "the network's share is used up"
        );
        metered.correct(network(1), 900, 500);
        assert!(metered.reserve(network(1), 1), "less was used than feared");
        assert!(metered.reserve(network(2), 499));
        assert!(!metered.reserve(network(3), 1), "the day is used up");
        clock.advance_to(2 * SECONDS_PER_DAY);
        assert!(metered.reserve(network(3), 1));
    }

    #[test]
    fn no_budget_is_no_bound() {
        let budget = Budget {
            of_all: 0,
            of_one: 0,
        };
        let clock = Arc::new(TestClock::at(0));
        let metered = Metered::new(Arc::new(Offline), budget, clock);
        for _ in 0..3 {
            assert!(metered.reserve(IpAddr::from([10, 0, 0, 1]), u64::MAX / 8));
        }
    }
}
