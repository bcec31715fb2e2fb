//! The environment variables of a service, each declared once with its group, default, meaning and
//! example. Reading, error messages, `--help` and the tables in the documents all use it.

use std::fmt::Write as _;

/// One variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its effect, in one or two sentences.
    pub meaning: &'static str,
    /// The effect if it is not set.
    pub unset: Unset,
    /// A valid value.
    pub example: &'static str,
    /// Whether its value is secret. It is then never shown, and may also come from the file that
    /// `NAME_FILE` names.
    pub secret: bool,
}

/// The effect of an unset variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// The service does not start.
    Refused,
    /// This value is used.
    Is(&'static str),
    /// An effect in words, because no value expresses it.
    Means(&'static str),
}

/// A group of related variables.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's heading.
    pub title: &'static str,
    /// The variables, the most important first.
    pub variables: &'static [&'static Variable],
}

/// A variable of an earlier version that has no effect any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub name: &'static str,
    /// Its replacement, in words.
    pub instead: &'static str,
}

/// All variables of one service.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// The service's name.
    pub service: &'static str,
    /// The groups, in the order of the documents.
    pub groups: &'static [&'static Group],
    /// Variables of earlier versions, which cause a warning.
    pub gone: &'static [Gone],
}

impl Variable {
    /// A variable that is required to start.
    pub const fn required(
        name: &'static str,
        example: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            meaning,
            unset: Unset::Refused,
            example,
            secret: false,
        }
    }

    /// A variable with a default.
    pub const fn with_default(
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            unset: Unset::Is(default),
            ..Self::required(name, default, meaning)
        }
    }

    /// A variable that may be absent; `unset` describes the effect of that.
    pub const fn optional(
        name: &'static str,
        unset: &'static str,
        example: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            unset: Unset::Means(unset),
            ..Self::required(name, example, meaning)
        }
    }

    /// The same with an example that differs from its default.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// The same as a secret, which is never shown.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// The default, if there is one.
    pub fn default_text(&self) -> &'static str {
        match self.unset {
            Unset::Is(default) => default,
            Unset::Refused | Unset::Means(_) => "",
        }
    }

    fn default_in_words(&self) -> String {
        match self.unset {
            Unset::Refused => "required".to_owned(),
            Unset::Is(default) => format!("default {default}"),
            Unset::Means(words) => format!("without it: {words}"),
        }
    }

    fn file(&self) -> String {
        if self.secret {
            format!(" May come from the file that {}_FILE names.", self.name)
        } else {
            String::new()
        }
    }
}

impl Schema {
    /// All variables, in the order of their groups.
    pub fn variables(&self) -> impl Iterator<Item = &'static Variable> {
        self.groups
            .iter()
            .flat_map(|group| group.variables.iter().copied())
    }

    /// Whether a variable is in this schema.
    pub fn has(&self, variable: &Variable) -> bool {
        self.variables().any(|known| known.name == variable.name)
    }

    /// The part of `--help` that lists the variables.
    pub fn help(&self) -> String {
        let mut text = String::new();
        for group in self.groups {
            add(&mut text, format_args!("{}\n", group.title));
            for variable in group.variables {
                let (name, default) = (variable.name, variable.default_in_words());
                add(&mut text, format_args!("  {name} ({default})\n"));
                let meaning = format!("{}{}", variable.meaning, variable.file());
                for line in wrapped(&meaning, 88) {
                    add(&mut text, format_args!("      {line}\n"));
                }
            }
            text.push('\n');
        }
        text
    }

    /// A table for a document in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for group in self.groups {
            add(&mut text, format_args!("**{}**\n\n", group.title));
            text.push_str("| Variable | Default | Meaning |\n| --- | --- | --- |\n");
            for variable in group.variables {
                let default = match variable.unset {
                    Unset::Refused => format!("required, such as `{}`", variable.example),
                    Unset::Is(default) => format!("`{default}`"),
                    Unset::Means(words) => words.to_owned(),
                };
                let (name, meaning, file) = (variable.name, variable.meaning, variable.file());
                add(
                    &mut text,
                    format_args!("| `{name}` | {default} | {meaning}{file} |\n"),
                );
            }
            text.push('\n');
        }
        text
    }

    /// The part of an example `.env`: required variables are left empty, the others are commented
    /// out.
    pub fn dotenv(&self) -> String {
        let mut text = String::new();
        for group in self.groups {
            add(&mut text, format_args!("# --- {} ---\n", group.title));
            for variable in group.variables {
                let words = variable.default_in_words();
                let meaning = format!("{}{} ({words})", variable.meaning, variable.file());
                for line in wrapped(&meaning, 110) {
                    add(&mut text, format_args!("# {line}\n"));
                }
                let (name, example) = (variable.name, variable.example);
                match variable.unset {
                    Unset::Refused if variable.secret => add(&mut text, format_args!("{name}=\n")),
                    Unset::Refused => {
                        add(&mut text, format_args!("# such as {example}\n{name}=\n"));
                    }
                    // A secret with a default is written below, because a default is not secret.
                    Unset::Means(_) if variable.secret => {
                        add(&mut text, format_args!("#{name}=\n"));
                    }
                    Unset::Is(_) | Unset::Means(_) => {
                        add(&mut text, format_args!("#{name}={example}\n"));
                    }
                }
            }
            text.push('\n');
        }
        text
    }
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}

/// Breaks a text between words into lines of at most `width` characters. A longer word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAME: Variable = Variable::required("NAME", "x", "Who it is.");
    static PORT: Variable = Variable::with_default("PORT", "80", "Where it listens.");
    static KEY: Variable = Variable::optional("KEY", "none", "abc", "What it signs with.").secret();
    static SCHEMA: Schema = Schema {
        service: "one",
        groups: &[&Group {
            title: "All",
            variables: &[&NAME, &PORT, &KEY],
        }],
        gone: &[],
    };

    #[test]
    fn one_schema_gives_help_documents_and_dotenv() {
        assert_eq!(
            SCHEMA.help(),
            "All\n  NAME (required)\n      Who it is.\n  PORT (default 80)\n      Where it listens.\n  \
             KEY (without it: none)\n      What it signs with. May come from the file that KEY_FILE names.\n\n"
        );
        assert_eq!(
            SCHEMA.markdown(),
            "**All**\n\n| Variable | Default | Meaning |\n| --- | --- | --- |\n\
             | `NAME` | required, such as `x` | Who it is. |\n| `PORT` | `80` | Where it listens. |\n\
             | `KEY` | none | What it signs with. May come from the file that KEY_FILE names. |\n\n"
        );
        assert_eq!(
            SCHEMA.dotenv(),
            "# --- All ---\n# Who it is. (required)\n# such as x\nNAME=\n# Where it listens. (default 80)\n#PORT=80\n\
             # What it signs with. May come from the file that KEY_FILE names. (without it: none)\n#KEY=\n\n"
        );
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaa b", 5), ["aaaaaaa", "b"]);
    }
}
