//! Splits a sentence into words: lower case, without punctuation, with numbers as numbers.

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// A number, from digits or in English.
    Number(f64),
    /// Any other word, lower case.
    Text(String),
}

impl Word {
    /// The text of the word; empty for a number.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Number(_) => "",
            Self::Text(text) => text,
        }
    }
}

const NUMBERS: [(&str, f64); 22] = [
    ("one", 1.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("eleven", 11.0),
    ("twelve", 12.0),
    ("fifteen", 15.0),
    ("sixteen", 16.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("forty", 40.0),
    ("forty-five", 45.0),
    ("fifty", 50.0),
    ("sixty", 60.0),
    ("ninety", 90.0),
    ("hundred", 100.0),
];

/// Splits a sentence. `2gb` becomes a number and a text; `1.5` and `forty-five` each stay one
/// number.
pub(super) fn split(sentence: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for token in sentence.to_lowercase().split_whitespace() {
        let token = token.trim_matches(|c: char| !c.is_alphanumeric() && !".-".contains(c));
        // A hyphen before a word is no minus sign and is dropped.
        let token = match token.strip_prefix('-') {
            Some(rest) if !rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
            _ => token,
        };
        let token = token.trim_end_matches('-');
        let token = token.trim_end_matches('.');
        if !token.is_empty() {
            push(&mut words, token);
        }
    }
    words
}

fn push(words: &mut Vec<Word>, token: &str) {
    if let Some((_, number)) = NUMBERS.iter().find(|(name, _)| *name == token) {
        words.push(Word::Number(*number));
        return;
    }
    if token.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && let Ok(number) = token.parse::<f64>()
    {
        words.push(Word::Number(number));
        return;
    }
    let digits = token
        .char_indices()
        .find(|&(at, c)| !c.is_ascii_digit() && c != '.' && !(at == 0 && c == '-'))
        .map_or(token.len(), |(at, _)| at);
    match token[..digits].parse::<f64>() {
        Ok(number) => {
            words.push(Word::Number(number));
            let unit = token[digits..].trim_start_matches('-');
            // `1h30` and `1h30m`.
            if !unit.is_empty() {
                let letters = unit
                    .find(|c: char| c.is_ascii_digit())
                    .unwrap_or(unit.len());
                words.push(Word::Text(unit[..letters].to_owned()));
                if letters < unit.len() {
                    push(words, &unit[letters..]);
                }
            }
        }
        Err(_) => words.push(Word::Text(token.to_owned())),
    }
}

/// The first word that is not polite only: the verb of a request.
pub(super) fn first_verb(words: &[Word]) -> Option<&str> {
    const POLITE: [&str; 6] = ["please", "now", "can", "could", "you", "then"];
    let mut words = words.iter().map(Word::text);
    words.find(|word| !POLITE.contains(word))
}

/// Whether the sentence is a command for a container: `run X`, `please execute X`.
pub(super) fn runs_a_command(words: &[Word]) -> bool {
    first_verb(words).is_some_and(|verb| ["run", "exec", "execute"].contains(&verb))
}

/// Whether one of these words is there.
pub(super) fn has(words: &[Word], wanted: &[&str]) -> bool {
    words.iter().any(|word| wanted.contains(&word.text()))
}

/// Whether the second of these words follows the first.
pub(super) fn follows(words: &[Word], first: &str, second: &str) -> bool {
    let mut pairs = words.windows(2);
    pairs.any(|pair| pair[0].text() == first && pair[1].text() == second)
}

/// The number of a container: one after `container`, or a large enough one without a unit.
pub(super) fn container_number(words: &[Word]) -> Option<u64> {
    named_container(words).or_else(|| {
        words
            .iter()
            .enumerate()
            .find_map(|(position, word)| match word {
                Word::Number(number) if *number >= 100.0 && number.fract() == 0.0 => {
                    let next = words.get(position + 1).map_or("", Word::text);
                    let free = matches!(
                        next,
                        "" | "by" | "for" | "and" | "please" | "now" | "with" | "again"
                    );
                    free.then_some(*number as u64)
                }
                _ => None,
            })
    })
}

/// The number in `container 100`; the last one if there are several.
pub(super) fn named_container(words: &[Word]) -> Option<u64> {
    named_containers(words).last()
}

/// The numbers in `container 100 and container 101`.
pub(super) fn named_containers(words: &[Word]) -> impl Iterator<Item = u64> {
    words.windows(2).filter_map(|pair| match pair {
        [Word::Text(word), Word::Number(number)]
            if ["container", "ct", "ctid", "lease"].contains(&word.as_str())
                && number.fract() == 0.0
                && *number >= 100.0 =>
        {
            Some(*number as u64)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_units_are_split() {
        let (number, text) = (Word::Number, |text: &str| Word::Text(text.to_owned()));
        assert_eq!(
            split("Lease two cores, 1.5GB for 90-minutes."),
            [
                text("lease"),
                number(2.0),
                text("cores"),
                number(1.5),
                text("gb"),
                text("for"),
                number(90.0),
                text("minutes")
            ]
        );
        assert_eq!(split("1h30"), [number(1.0), text("h"), number(30.0)]);
        assert_eq!(split("1e9 hours"), [number(1e9), text("hours")]);
        assert_eq!(
            split("- for -30min (-2)"),
            [text("for"), number(-30.0), text("min"), number(-2.0)]
        );
        assert_eq!(split("  ?! -- "), []);
    }
}
