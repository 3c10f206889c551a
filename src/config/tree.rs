//! TOML as it was written, every value with the place that it came from. The parser's own tree borrows its text and
//! knows nothing of files; this one outlives both, so that fragments can be merged and still be pointed at.

use std::{collections::BTreeMap, fmt};

use super::excerpt::mask_url_passwords;
use toml::de::{DeTable, DeValue};

/// A place in a fragment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// Which fragment.
    pub file: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub at: Origin,
    pub value: Value,
}

/// A value of a table, and where its key was written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key_at: Origin,
    pub node: Node,
}

/// A table.
pub(crate) type Table = BTreeMap<String, Entry>;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// `None` where it does not fit.
    Integer(Option<i64>),
    Number(f64),
    Boolean(bool),
    Time,
    List(Vec<Node>),
    Table(Table),
    /// What cannot be known because of a problem that has been told: anything fits.
    Open,
}

/// Takes over a parsed fragment. The parser bounds the nesting, and so this recursion.
pub(crate) fn adopt(table: &DeTable<'_>, file: usize) -> Table {
    let place = |span: std::ops::Range<usize>| Origin { file, start: span.start, end: span.end };
    table
        .iter()
        .map(|(key, value)| {
            let node = adopt_value(value, file);
            (key.get_ref().to_string(), Entry { key_at: place(key.span()), node })
        })
        .collect()
}

fn adopt_value(value: &toml::Spanned<DeValue<'_>>, file: usize) -> Node {
    let span = value.span();
    let at = Origin { file, start: span.start, end: span.end };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(digits) => Value::Integer(i64::from_str_radix(digits.as_str(), digits.radix()).ok()),
        DeValue::Float(digits) => Value::Number(digits.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(items) => Value::List(items.iter().map(|item| adopt_value(item, file)).collect()),
        DeValue::Table(table) => Value::Table(adopt(table, file)),
    };
    Node { at, value }
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = &self.value { Some(table) } else { None }
    }

    /// What the table calls itself.
    pub(crate) fn name(&self) -> Option<&str> {
        self.table()?.get("name")?.node.text()
    }

    pub(crate) fn list(&self) -> Option<&[Node]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }
}

/// The value as problems name it: `an integer 5`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Long texts are seen in the excerpt.
            Self::Text(text) if text.chars().count() <= 60 => write!(f, "a string {:?}", mask_url_passwords(text)),
            Self::Text(_) => f.write_str("a long string"),
            Self::Integer(Some(n)) => write!(f, "an integer {n}"),
            Self::Integer(None) => f.write_str("an integer out of range"),
            Self::Number(n) => write!(f, "a number {n:?}"),
            Self::Boolean(b) => write!(f, "a boolean {b}"),
            Self::Time => f.write_str("a date or time"),
            Self::List(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a table"),
            Self::Open => f.write_str("an open value"),
        }
    }
}
