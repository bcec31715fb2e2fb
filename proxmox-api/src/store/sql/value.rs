//! Values that are bound to parameters.

use std::error::Error;

use bytes::BytesMut;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// Replaces a NUL character, which PostgreSQL refuses. SQLite gets the same, so that its rows can
/// be copied to PostgreSQL. No text that is searched for contains either character.
const FOR_NUL: &str = "\u{fffd}";

/// A value with its type, which PostgreSQL needs also for NULL.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Value<'a> {
    Number(Option<i64>),
    Text(Option<&'a str>),
}

impl Value<'_> {
    /// PostgreSQL's type.
    pub(in crate::store) fn kind(&self) -> Type {
        match self {
            Self::Number(_) => Type::INT8,
            Self::Text(_) => Type::TEXT,
        }
    }

    /// The text to be bound in place of one with NUL characters.
    fn without_nul(&self) -> Option<String> {
        match self {
            Self::Text(Some(text)) if text.contains('\0') => Some(text.replace('\0', FOR_NUL)),
            _ => None,
        }
    }

    /// As PostgreSQL takes it.
    pub(in crate::store) fn parameter(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, self.without_nul()) {
            (Self::Text(_), Some(text)) => text.to_sql(kind, out),
            (Self::Text(text), None) => text.to_sql(kind, out),
            (Self::Number(number), _) => number.to_sql(kind, out),
        }
    }

    /// Statements are prepared with the kinds of their values.
    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT].contains(kind)
    }

    to_sql_checked!();
}

/// A value that outlives the row or request it was taken from.
#[derive(Debug, Clone)]
pub(in crate::store) enum OwnedValue {
    Number(Option<i64>),
    Text(Option<String>),
}

impl OwnedValue {
    pub(in crate::store) fn of<T: ToValue + ?Sized>(value: &T) -> Self {
        match value.to_value() {
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text.map(str::to_owned)),
        }
    }

    pub(in crate::store) fn borrow(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.as_deref()),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        if let Some(text) = self.without_nul() {
            return Ok(text.into());
        }
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Number(None) | Self::Text(None) => ValueRef::Null,
        }))
    }
}

/// A type that can be bound.
pub(in crate::store) trait ToValue {
    fn to_value(&self) -> Value<'_>;
}

macro_rules! numbers {
    ($($kind:ty),*) => { $(impl ToValue for $kind {
        fn to_value(&self) -> Value<'_> {
            Value::Number(Some(i64::from(*self)))
        }
    })* };
}
numbers!(i64, u32, u16);

impl ToValue for Option<i64> {
    fn to_value(&self) -> Value<'_> {
        Value::Number(*self)
    }
}

impl ToValue for Value<'_> {
    fn to_value(&self) -> Value<'_> {
        *self
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Some(self))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Some(self))
    }
}

impl ToValue for Option<String> {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self.as_deref())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (*self).to_value()
    }
}

impl ToValue for Option<&str> {
    fn to_value(&self) -> Value<'_> {
        Value::Text(*self)
    }
}
