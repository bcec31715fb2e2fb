//! A model with a token budget. A provider is paid by the token, so each day has a number of
//! tokens, and each network has a share of it. Once a budget is used up, the built-in rules answer
//! until the day is over, and say so. The cost of a request is known only afterwards: it is counted
//! as an estimate while the request runs, and as the provider reports it at the end. Days are those
//! of UTC.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use api_types::AgentInfo;
use async_trait::async_trait;
use service::{caller::network_of, clock::Clock, health::CheckResult};

use super::{Model, ModelError, ModelRequest, WordSink, instructions, offline::Offline};
use crate::{
    conversation::{Message, ToolCall},
    tools::REGISTRY,
    turn::ModelAnswer,
};

/// The notice before the rules' first answer in a turn.
const USED_UP: &str =
    "The language model's budget for today is used up, so built-in rules answer.\n\n";
/// The fewest bytes of text per token. The estimate is rather too high than too low.
const BYTES_PER_TOKEN: usize = 3;
/// The most networks that are counted. Beyond it, those that used little are forgotten.
const MOST_NETWORKS: usize = 50_000;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Tokens per day; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBudget {
    /// For all callers together: `LLM_TOKENS_PER_DAY`.
    pub of_all: u64,
    /// For one network: `LLM_TOKENS_PER_ADDRESS`.
    pub of_one: u64,
}

/// The model, and the built-in rules that replace it once its budget is used up.
pub struct MeteredModel {
    model: Arc<dyn Model>,
    rules: Offline,
    budget: TokenBudget,
    clock: Arc<dyn Clock>,
    used: Mutex<DayUsage>,
}

/// The tokens used on one day.
#[derive(Debug, Default)]
struct DayUsage {
    number: u64,
    of_all: u64,
    by_network: HashMap<IpAddr, u64>,
    /// Whether it was logged that the day's budget is used up.
    told: bool,
}

impl MeteredModel {
    /// A model that has used nothing yet.
    pub fn new(model: Arc<dyn Model>, budget: TokenBudget, clock: Arc<dyn Clock>) -> Self {
        Self {
            model,
            rules: Offline,
            budget,
            clock,
            used: Mutex::default(),
        }
    }

    /// Counts an estimate, if both budgets have tokens left.
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

    /// Replaces an estimate by the number of tokens that were used.
    fn correct(&self, network: IpAddr, estimate: u64, tokens: u64) {
        let mut day = self.today();
        let corrected = |used: u64| used.saturating_sub(estimate) + tokens;
        day.of_all = corrected(day.of_all);
        let own = day.by_network.entry(network).or_default();
        *own = corrected(*own);
        metrics::counter!("model_tokens_total").increment(tokens);
    }

    fn today(&self) -> MutexGuard<'_, DayUsage> {
        let number = self.clock.unix_seconds() / SECONDS_PER_DAY;
        let mut day = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if day.number != number {
            *day = DayUsage {
                number,
                ..DayUsage::default()
            };
        }
        day
    }
}

#[async_trait]
impl Model for MeteredModel {
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
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
        // The estimate stands if the provider reports no number, and if the request failed.
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

    async fn check(&self) -> CheckResult {
        self.model.check().await
    }
}

fn tokens_of_question(question: &ModelRequest<'_>) -> u64 {
    let said = question.conversation.iter().map(|message| match message {
        Message::User { text } | Message::Tool { text, .. } => text.len(),
        Message::Assistant { text, calls } => text.len() + bytes_of(calls),
    });
    let tools = REGISTRY
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters().to_string().len());
    tokens(instructions().len() + tools.sum::<usize>() + said.sum::<usize>())
}

fn tokens_of_answer(said: &ModelAnswer) -> u64 {
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
    fn a_new_day_starts_at_zero_and_the_reported_tokens_replace_the_estimate() {
        let clock = Arc::new(TestClock::at(SECONDS_PER_DAY));
        let budget = TokenBudget {
            of_all: 1_000,
            of_one: 600,
        };
        let metered = MeteredModel::new(Arc::new(Offline), budget, clock.clone());
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
    fn a_budget_of_zero_is_no_limit() {
        let budget = TokenBudget {
            of_all: 0,
            of_one: 0,
        };
        let clock = Arc::new(TestClock::at(0));
        let metered = MeteredModel::new(Arc::new(Offline), budget, clock);
        for _ in 0..3 {
            assert!(metered.reserve(IpAddr::from([10, 0, 0, 1]), u64::MAX / 8));
        }
    }
}
