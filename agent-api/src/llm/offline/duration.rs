//! Reads durations: `an hour and a half`, `90 min`, `1h30`, `two days`, `half an hour`.

use super::words::Word;

/// The minutes of a unit.
fn unit(word: &str) -> Option<f64> {
    Some(match word {
        "m" | "min" | "mins" | "minute" | "minutes" => 1.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 60.0,
        "d" | "day" | "days" => 1440.0,
        "w" | "week" | "weeks" => 10_080.0,
        "month" | "months" => 43_200.0,
        _ => return None,
    })
}

/// The sum of all durations in a sentence, in whole minutes.
pub(super) fn minutes(words: &[Word]) -> Option<u32> {
    let mut total = 0.0;
    let mut last_unit = None;
    for (position, word) in words.iter().enumerate() {
        if let Some(scale) = unit(word.text()) {
            if let Some(count) = count_before(words, position) {
                if count < 0.0 {
                    return None;
                }
                total += count * scale;
                last_unit = Some((position, scale));
            }
        } else if word.text() == "half" && follows_and(words, position) {
            // `an hour and a half`, `two and a half hours`
            let ahead = words.get(position + 1).and_then(|next| unit(next.text()));
            match (ahead, last_unit) {
                (Some(scale), _) => {
                    total += whole_before_and(words, position) * scale + 0.5 * scale
                }
                (None, Some((_, scale))) => total += 0.5 * scale,
                (None, None) => {}
            }
        } else if let (Word::Number(number), Some((before, 60.0))) = (word, last_unit)
            && before + 1 == position
            && words
                .get(position + 1)
                .is_none_or(|next| unit(next.text()).is_none())
            && words[before].text() == "h"
        {
            // `1h30`
            total += number;
        }
    }
    let whole = total.round();
    // The lease API checks its own limits; this check only keeps the number valid as a `u32`.
    (whole >= 1.0 && whole <= f64::from(u32::MAX)).then_some(whole as u32)
}

/// The number that belongs to the unit at this position.
fn count_before(words: &[Word], position: usize) -> Option<f64> {
    let before = words.get(position.checked_sub(1)?)?;
    match before {
        Word::Number(number) => Some(*number),
        Word::Text(text) => match text.as_str() {
            "a" | "an" => match position.checked_sub(2).map(|two| words[two].text()) {
                Some("half") => Some(0.5),
                _ => Some(1.0),
            },
            "half" => (!follows_and(words, position - 1)).then_some(0.5),
            "couple" | "of" => Some(2.0),
            _ => None,
        },
    }
}

/// Whether the `half` at this position belongs to `and a half`.
fn follows_and(words: &[Word], position: usize) -> bool {
    position >= 2 && words[position - 1].text() == "a" && words[position - 2].text() == "and"
}

/// The number before `and a half`, unless it has a unit of its own.
fn whole_before_and(words: &[Word], half: usize) -> f64 {
    match half.checked_sub(3).map(|position| &words[position]) {
        Some(Word::Number(number)) => *number,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::words::split, *};

    #[test]
    fn durations_in_plain_english_are_understood() {
        let cases = [
            ("for an hour and a half", 90),
            ("90 minutes", 90),
            ("90min", 90),
            ("1h30", 90),
            ("1h30m", 90),
            ("1 hour and 30 minutes", 90),
            ("one and a half hours", 90),
            ("1.5 hours", 90),
            ("half an hour", 30),
            ("half a day", 720),
            ("an hour", 60),
            ("two days", 2880),
            ("a week", 10_080),
            ("a couple of hours", 120),
            ("2 days and 3 hours", 3060),
        ];
        for (sentence, expected) in cases {
            assert_eq!(minutes(&split(sentence)), Some(expected), "{sentence}");
        }
        for none in [
            "2 cores and 1 GB",
            "hours",
            "container 100",
            "0 minutes",
            "-30 minutes",
            "1e9 hours",
            "",
        ] {
            assert_eq!(minutes(&split(none)), None, "{none}");
        }
    }
}
