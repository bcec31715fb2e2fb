//! The environment variables of a service, each declared once with its group, default, meaning and
//! example. Reading, error messages, `--help` and the tables in the documents all use it.

use std::fmt::Write as _;

/// One variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it decides, in one or two sentences.
    pub meaning: &'static str,
    /// What happens where it is not set.
    pub unset: Unset,
    /// A value that would do.
    pub example: &'static str,
    /// Whether it must not be shown; it may then also come from the file that `NAME_FILE` names.
    pub secret: bool,
}

/// What happens where a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// The service does not start.
    Refused,
    /// This value is taken.
    Is(&'static str),
    /// An effect that no value expresses, in words.
    Means(&'static str),
}

/// Variables that belong together.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// The variables, the most needed first.
    pub variables: &'static [&'static Variable],
}

/// A variable of an earlier version, without effect now.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub name: &'static str,
    /// What took its place.
    pub instead: &'static str,
}

/// All variables of one service.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// The service's name.
    pub service: &'static str,
    /// The groups, in the order of the documents.
    pub groups: &'static [&'static Group],
    /// Variables of earlier versions, which get a warning.
    pub gone: &'static [Gone],
}

impl Variable {
    /// A variable without which the service does not start.
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

    /// A variable that may be absent; `unset` says in words what that means.
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

    /// The same with an example other than its default.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// The same, never shown.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// The default, where there is one.
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
    /// Every variable with its group.
    pub fn variables(&self) -> impl Iterator<Item = &'static Variable> {
        self.groups
            .iter()
            .flat_map(|group| group.variables.iter().copied())
    }

    /// Whether a variable is one of these.
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

    /// The part of an example of `.env`: what is required is left to be filled in, the rest is commented out.
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
                    // A default is no secret.
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

/// Breaks a text between words into lines of at most `width` characters, where no word is longer.
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
    fn one_schema_is_written_for_every_reader() {
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
    fn long_texts_are_broken_between_words() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaa b", 5), ["aaaaaaa", "b"]);
    }
}
