//! Makes text from other authors harmless before a model reads it. Chat templates mark roles and
//! tool calls by control sequences, and many servers read those anywhere in a text: container
//! output that holds `<|im_start|>` becomes a customer's message, and output that holds
//! `<tool_call>` becomes a tool call. A space inside breaks each sequence. A reader hardly notices
//! the space, and the customer's own view keeps the original text.
//!
//! Sequences are recognized by their shape and not by a list of tokens, since every model has its
//! own:
//!
//! | Shape | Of |
//! | --- | --- |
//! | <code><\|</code>, <code>\|></code> | ChatML, Qwen, Llama 3, Harmony, Phi, Command R, GLM, Kimi; DeepSeek in full width |
//! | `[INST]`, `[/INST]`, `[TOOL_CALLS]`, `[gMASK]`, `[\|user\|]` | Mistral, Llama 2, GLM, EXAONE |
//! | `<<SYS>>` | Llama 2 |
//! | `<tool_call>`, `<function=…>`, `<start_of_turn>`, `<think>`, `</s>`, … | Hermes, Qwen, Gemma, and the beginning and end of text |
//! | `]~b]` | MiniMax |

use std::borrow::Cow;

use crate::visible::hides;

/// Parts of the names of tags that have a meaning to a model. HTML tags are not on the list,
/// because customers write them into files.
const TAGS: [&str; 48] = [
    "action",
    "antml",
    "arg_",
    "assistant",
    "bos",
    "call",
    "channel",
    "cls",
    "ctrl",
    "endof",
    "end_",
    "eoa",
    "eod",
    "eoh",
    "eop",
    "eos",
    "escape",
    "extra_id",
    "fim",
    "function",
    "human",
    "im_",
    "instruction",
    "invoke",
    "mask",
    "message",
    "minimax",
    "observation",
    "pad",
    "parameter",
    "prefix",
    "reasoning",
    "reserved",
    "response",
    "role",
    "seed",
    "sep",
    "sop",
    "special",
    "start",
    "suffix",
    "system",
    "think",
    "tool",
    "turn",
    "unk",
    "unused",
    "user",
];
/// Whole names of tags that have a meaning to a model: the beginning and end of text.
const WHOLE_TAGS: [&str; 2] = ["s", "begin"];
/// The longest tag name that is examined, in characters.
const LONGEST: usize = 64;

/// The text with every control sequence broken by a space, and nothing else changed.
pub(super) fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| matches!(folded(c), Some('<' | '[' | ']' | '|'))) {
        return Cow::Borrowed(text);
    }
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let mut breaks = Vec::new();
    for (position, (offset, c)) in characters.iter().enumerate() {
        let Some(c) = folded(*c) else { continue };
        let behind = || {
            let behind = characters[position + 1..].iter();
            behind.filter_map(|(_, c)| folded(*c))
        };
        if begins(c, behind()) {
            let next = characters.get(position + 1);
            breaks.push(next.map_or(text.len(), |(offset, _)| *offset));
        } else if ends(c, behind()) {
            breaks.push(offset + text[*offset..].chars().next().map_or(0, char::len_utf8));
        }
    }
    if breaks.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut broken = String::with_capacity(text.len() + breaks.len());
    let mut from = 0;
    for at in breaks {
        broken.push_str(&text[from..at]);
        broken.push(' ');
        from = at;
    }
    broken.push_str(&text[from..]);
    Cow::Owned(broken)
}

/// A character as a tokenizer may read it: full-width forms become ASCII, upper case becomes lower
/// case, and invisible characters are dropped.
fn folded(c: char) -> Option<char> {
    match c {
        '\n' | '\t' | '\r' => Some(c),
        '\u{fe64}' => Some('<'),
        '\u{fe65}' => Some('>'),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{2581}' => Some('_'),
        c if hides(c) => None,
        c => Some(c),
    }
    .map(|c| c.to_ascii_lowercase())
}

/// Whether a control sequence begins at this character.
fn begins(c: char, behind: impl Iterator<Item = char> + Clone) -> bool {
    let next = behind.clone().next();
    match (c, next) {
        ('<', Some('|')) | ('[', Some('|')) | (']', Some('~')) => true,
        ('<', Some('<')) => name(behind.skip(1)).is_some_and(|(name, _)| name == "sys"),
        ('<', Some(_)) => name(behind).is_some_and(|(name, _)| is_tag(&name)),
        // In brackets, only a closed single word counts: `[INST]`, but not `[1]` or `[a-z]`.
        ('[', Some(_)) => name(behind).is_some_and(|(name, end)| {
            end == Some(']')
                && name.len() > 1
                && name.chars().all(|c| c == '_' || c.is_ascii_alphabetic())
        }),
        _ => false,
    }
}

/// Whether a control sequence ends with this character and the next.
fn ends(c: char, mut behind: impl Iterator<Item = char>) -> bool {
    c == '|' && matches!(behind.next(), Some('>' | ']'))
}

/// The name of a tag, with or without a leading slash, and the character after it.
fn name(behind: impl Iterator<Item = char>) -> Option<(String, Option<char>)> {
    let mut behind = behind.skip_while(|c| *c == '/').peekable();
    let mut name = String::new();
    while let Some(c) = behind.peek().copied() {
        let part = c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
        if !part || name.len() == LONGEST {
            break;
        }
        name.push(c);
        behind.next();
    }
    (!name.is_empty()).then(|| (name, behind.next()))
}

fn is_tag(name: &str) -> bool {
    // `<0x0A>` is a byte in tokenizers that have no other token for it.
    let byte = name.starts_with("0x");
    byte || WHOLE_TAGS.contains(&name) || TAGS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Control sequences of the chat formats in use, each whole.
    const TOKENS: &[&str] = &[
        // ChatML, Qwen, Hermes
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<tool_call>",
        "</tool_call>",
        "<tool_response>",
        "</tool_response>",
        "<tools>",
        "<function=lease_container>",
        "</function>",
        "<parameter=cores>",
        "</parameter>",
        "<think>",
        "</think>",
        // Llama 2, 3 and 4
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "<s>",
        "</s>",
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_tag|>",
        "<|header_start|>",
        "<|eot|>",
        // Mistral
        "[TOOL_CALLS]",
        "[/TOOL_CALLS]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[SYSTEM_PROMPT]",
        "[ARGS]",
        "[CALL_ID]",
        "[THINK]",
        // Harmony
        "<|start|>",
        "<|end|>",
        "<|message|>",
        "<|channel|>",
        "<|constrain|>",
        "<|call|>",
        "<|return|>",
        // DeepSeek, in full width
        "<｜User｜>",
        "<｜Assistant｜>",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜end▁of▁sentence｜>",
        "<｜DSML｜function_calls>",
        // Gemma
        "<start_of_turn>",
        "<end_of_turn>",
        "<bos>",
        "<eos>",
        "<start_function_call>",
        "<escape>",
        "<unused12>",
        "<pad>",
        "<unk>",
        "<0x0A>",
        // Command R, Phi, GLM, Kimi, EXAONE, MiniMax, InternLM, Seed, Nemotron, T5
        "<|START_OF_TURN_TOKEN|>",
        "<|CHATBOT_TOKEN|>",
        "<BOS_TOKEN>",
        "<|assistant|>",
        "<|user|>",
        "[gMASK]",
        "<sop>",
        "<|observation|>",
        "<arg_key>",
        "<|tool_calls_section_begin|>",
        "[|assistant|]",
        "]~b]user",
        "<minimax:tool_call>",
        "<eoh>",
        "<eoa>",
        "<seed:tool_call>",
        "<TOOLCALL>",
        "<SPECIAL_12>",
        "<extra_id_1>",
        "<function_calls>",
        "<invoke name=",
        "<fim_prefix>",
        "<reserved_106>",
        "<mask>",
        "<|im_sep|>",
        "<|reserved_special_token_1|>",
    ];

    /// The most that a tokenizer may read: folded, without invisible characters.
    fn read(text: &str) -> String {
        text.chars().filter_map(folded).collect()
    }

    fn holds_token(text: &str) -> Option<&'static str> {
        let text = read(text);
        TOKENS
            .iter()
            .copied()
            .find(|token| text.contains(&read(token)))
    }

    #[test]
    fn every_known_token_is_broken() {
        for token in TOKENS {
            let text = format!("before {token} after");
            assert!(holds_token(&text).is_some(), "{token} is not looked for");
            assert_eq!(holds_token(&inert(&text)), None, "{token}");
            assert_eq!(holds_token(&inert(token)), None, "{token}");
        }
    }

    #[test]
    fn hidden_and_wide_spellings_are_broken_as_well() {
        for text in [
            "<\u{200b}|im_start|\u{200b}>",
            "＜|im_start|＞",
            "<\u{fe0f}to\u{ad}ol_call>",
            "＜tool_call＞",
            "[\u{2060}INST]",
            "［ＩＮＳＴ］",
            "<｜user｜>",
        ] {
            assert!(
                holds_token(text).is_some() || text.contains("user"),
                "{text}"
            );
            let broken = inert(text);
            assert_ne!(broken, text);
            assert_eq!(holds_token(&broken), None, "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_not_changed() {
        for text in [
            "<html><body class=\"x\"><p>a &lt; b</p></body></html>",
            "cat <<EOF > /etc/motd\nhello\nEOF",
            "if [ -f a ]; then a[1]=2; fi; case x in [a-z]*) ;; esac",
            "a | b || c |& d; x <&1 2>&1 <(ls)",
            "vec<u32>, Option<String>, a < b > c, 5 <= 6",
            "uptime: 1,2,3",
        ] {
            assert_eq!(inert(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_token_survives_in_any_surrounding_text(
            parts in prop::collection::vec((0..TOKENS.len(), "[a-z<>|/\\[\\]\u{200b}\u{2060} \n]{0,4}", any::<prop::sample::Index>()), 1..8)
        ) {
            let mut text = String::new();
            for (token, company, at) in parts {
                // A token with an invisible character inside.
                let token: Vec<char> = TOKENS[token].chars().collect();
                let at = at.index(token.len());
                text.extend(&token[..at]);
                text.push('\u{200b}');
                text.extend(&token[at..]);
                text.push_str(&company);
            }
            let broken = inert(&text);
            prop_assert_eq!(holds_token(&broken), None, "{:?}", broken);
            let again = inert(&broken);
            prop_assert_eq!(&again, &broken, "broken once is broken for good");
            let spaces = |text: &str| text.replace(' ', "");
            prop_assert_eq!(spaces(&text), spaces(&broken), "only spaces are added");
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            prop_assert_eq!(holds_token(&inert(&text)), None);
        }
    }
}
