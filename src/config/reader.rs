//! Reads a merged table by its shape: typed values, defaults where a key is absent.
//!
//! The structure check has already reported what is missing or malformed, so reading is silent: a value that is not
//! there or not right is `None`, and whoever needs it gives up on what it was building. What is reported here is
//! meaning: values that contradict each other or refer to nothing.

use std::{net::IpAddr, sync::LazyLock, time::Duration};

use serde::{Deserialize, de::IntoDeserializer};

use super::{
    check::label,
    duration,
    expect::Statuses,
    report::Problems,
    shape::{Key, Kind, Literal, Need, Shape},
    tree::{Node, Origin, Table, Value},
};

static EMPTY: LazyLock<Table> = LazyLock::new(Table::new);

/// One table, its shape, and where it is.
#[derive(Clone)]
pub(crate) struct Reader<'t> {
    table: &'t Table,
    shape: &'static Shape,
    at: Origin,
    path: String,
}

impl<'t> Reader<'t> {
    /// The whole configuration.
    pub(crate) fn root(table: &'t Table, shape: &'static Shape) -> Self {
        Self { table, shape, at: Origin::default(), path: String::new() }
    }

    /// The key's definition. Asking for a key that the shape does not have is a mistake in this program.
    fn key(&self, name: &str) -> &'static Key {
        self.shape
            .key_of(self.variant(), name)
            .unwrap_or_else(|| unreachable!("`{name}` is no key of: {}", self.shape.about))
    }

    fn node(&self, name: &str) -> Option<&'t Node> {
        self.table.get(name).map(|entry| &entry.node)
    }

    fn default(&self, name: &str) -> Option<Literal> {
        if self.table.contains_key(name) {
            return None;
        }
        if let Need::Default(literal) = self.key(name).need { Some(literal) } else { None }
    }

    /// The variant that the table is of.
    pub(crate) fn variant(&self) -> Option<&'static str> {
        let tag = self.shape.variants.as_ref()?;
        let name = match self.node(tag.key) {
            Some(node) => node.text()?,
            None => tag.default?,
        };
        self.shape.variant(name).map(|v| v.name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let key = self.key(name);
        match (self.node(name), self.default(name)) {
            (Some(node), _) => node.text().filter(|text| fits(&key.kind, text)).map(str::to_owned),
            (None, Some(Literal::Text(text))) => Some(text.to_owned()),
            _ => None,
        }
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let Kind::Duration(min, max) = self.key(name).kind else { return None };
        self.text(name).and_then(|text| duration::parse(&text).ok()).filter(|d| (min..=max).contains(d))
    }

    pub(crate) fn ip(&self, name: &str) -> Option<IpAddr> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        let Kind::Integer(min, max) = self.key(name).kind else { return None };
        let n = match (self.node(name).map(|n| &n.value), self.default(name)) {
            (Some(Value::Integer(n)), _) => (*n)?,
            (None, Some(Literal::Integer(n))) => n,
            _ => return None,
        };
        (min..=max).contains(&n).then(|| T::try_from(n).ok()).flatten()
    }

    /// The whole numbers of a list; `None` where it is absent, or not right.
    pub(crate) fn integers<T: TryFrom<i64>>(&self, name: &str) -> Option<Vec<T>> {
        let Kind::List(Kind::Integer(min, max), _) = self.key(name).kind else { return None };
        let one = |n: &Node| match n.value {
            Value::Integer(Some(n)) if (min..=max).contains(&&n) => T::try_from(n).ok(),
            _ => None,
        };
        self.node(name)?.list()?.iter().map(one).collect()
    }

    /// A set of status codes, written as one or as a text.
    pub(crate) fn statuses(&self, name: &str) -> Option<Statuses> {
        match (self.node(name).map(|n| &n.value), self.default(name)) {
            (Some(Value::Integer(n)), _) => (*n)?.to_string().parse().ok(),
            (Some(Value::Text(text)), _) => text.parse().ok(),
            (None, Some(Literal::Integer(n))) => n.to_string().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match (self.node(name).map(|n| &n.value), self.default(name)) {
            (Some(Value::Number(n)), _) => Some(*n),
            (Some(Value::Integer(n)), _) => n.map(|n| n as f64),
            (None, Some(Literal::Number(n))) => Some(n),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        match (self.node(name).map(|n| &n.value), self.default(name)) {
            (Some(Value::Boolean(b)), _) => Some(*b),
            (None, Some(Literal::Boolean(b))) => Some(b),
            _ => None,
        }
    }

    /// A word of a choice, as the type that lists the same words.
    pub(crate) fn choice<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed: Result<T, serde::de::value::Error> = T::deserialize(text.as_str().into_deserializer());
        parsed.ok()
    }

    /// The texts of a list, each with its place; `None` where the list is absent and has no default, or is not right.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<(Spot, String)>> {
        let Kind::List(of, _) = self.key(name).kind else { return None };
        match (self.node(name), self.default(name)) {
            (Some(node), _) => {
                let spot = |i: usize, n: &Node| Spot { at: n.at, path: format!("{}[{i}]", self.join(name)) };
                let item = |(i, n): (usize, &Node)| {
                    n.text().filter(|text| fits(of, text)).map(|text| (spot(i, n), text.to_owned()))
                };
                node.list()?.iter().enumerate().map(item).collect()
            }
            (None, Some(Literal::Texts(texts))) => {
                Some(texts.iter().map(|text| (self.spot(name), (*text).to_owned())).collect())
            }
            _ => None,
        }
    }

    /// The table under a key; an empty one, at this table's place, where it is absent.
    pub(crate) fn table(&self, name: &str) -> Option<Reader<'t>> {
        let shape = self.key(name).kind.shape()?;
        let (table, at) = match self.node(name) {
            Some(node) => (node.table()?, node.at),
            None => (&*EMPTY, self.at),
        };
        Some(Reader { table, shape, at, path: self.join(name) })
    }

    /// The items of a list that are tables; `Err` gives the text and the place of one in its short form.
    pub(crate) fn items(&self, name: &str) -> Vec<Result<Reader<'t>, (Spot, String)>> {
        let kind = &self.key(name).kind;
        let item_kind = if let Kind::List(of, _) = kind { *of } else { kind };
        let items = self.node(name).and_then(Node::list).unwrap_or_default();
        let read = |(index, node): (usize, &'t Node)| {
            let path = label(&self.join(name), node, item_kind, index);
            match (&node.value, item_kind.shape()) {
                (Value::Table(table), Some(shape)) => Some(Ok(Reader { table, shape, at: node.at, path })),
                (Value::Text(text), _) => Some(Err((Spot { at: node.at, path }, text.clone()))),
                _ => None,
            }
        };
        items.iter().enumerate().filter_map(read).collect()
    }

    /// The tables of a `[[…]]`.
    pub(crate) fn tables(&self, name: &str) -> Vec<Reader<'t>> {
        self.items(name).into_iter().filter_map(Result::ok).collect()
    }

    /// The table as it was written.
    pub(crate) fn raw(&self) -> &'t Table {
        self.table
    }

    /// Whether the key is written.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Where a key's value is, or the table where it is absent.
    pub(crate) fn spot(&self, name: &str) -> Spot {
        Spot { at: self.node(name).map_or(self.at, |node| node.at), path: self.join(name) }
    }

    /// Where the table itself is.
    pub(crate) fn here(&self) -> Spot {
        Spot { at: self.at, path: self.path.clone() }
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// A place, and the key there.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub at: Origin,
    pub path: String,
}

impl Spot {
    /// Reports a problem here.
    pub(crate) fn report(&self, problems: &mut Problems, message: impl Into<String>, help: impl Into<String>) {
        problems.at(self.at, &self.path, message, Some(help.into()).filter(|h| !h.is_empty()));
    }
}

/// Whether a text is of the form that its kind asks for.
fn fits(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Text(form) => form.matches(text),
        Kind::Ip => text.parse::<IpAddr>().is_ok(),
        Kind::Choice(words) => words.iter().any(|w| w.0 == text),
        Kind::Either(short, _) => fits(short, text),
        _ => true,
    }
}
