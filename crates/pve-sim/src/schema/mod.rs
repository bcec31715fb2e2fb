//! Proxmox's parameter check: types, ranges, formats and unknown names, all problems at once and
//! with Proxmox's texts (`PVE::JSONSchema`). The checked values are typed, so handlers need not
//! parse again.

mod check;
pub(crate) mod format;
pub(crate) mod property;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use check::check;

/// The type of a parameter.
#[derive(Clone, Copy)]
pub(crate) enum ParamKind {
    /// `0` or `1`.
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// Text of a length within bounds, in characters.
    Text(usize, usize),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text that the function accepts; its error is Proxmox's text.
    Format(usize, fn(&str) -> Result<(), String>),
}

/// One parameter of a method.
#[derive(Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: ParamKind,
    pub(crate) required: bool,
    /// For `net[n]` and its like: how many there are.
    pub(crate) count: u32,
}

/// A required parameter.
pub(crate) const fn required(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        kind,
        required: true,
        count: 0,
    }
}

/// An optional parameter.
pub(crate) const fn optional(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        kind,
        required: false,
        count: 0,
    }
}

/// A family of parameters, `name0` up to `name(count-1)`.
pub(crate) const fn numbered(name: &'static str, count: u32, kind: ParamKind) -> Param {
    Param {
        name,
        kind,
        required: false,
        count,
    }
}

impl Param {
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.count == 0 {
            return self.name == name;
        }
        name.strip_prefix(self.name).is_some_and(|index| {
            let canonical = index == "0" || !index.starts_with('0');
            canonical && index.parse::<u32>().is_ok_and(|index| index < self.count)
        })
    }
}

/// Checked parameters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(pub(crate) BTreeMap<String, Value>);

impl Params {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.int(name) == Some(1)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
