//! What a shape is made of. One static table of shapes (see [`super::keys`]) is the only place that says which
//! keys exist, of what type, in what range and with what default. The structure check, the reader, the JSON
//! Schema and the reference in `docs/configuration.md` are all driven by it, so they cannot disagree.

use std::{sync::OnceLock, time::Duration};

use regex::Regex;

/// A table: its keys, and what tells its variants apart.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What it is, in a sentence, for the schema and the reference.
    pub about: &'static str,
    /// Keys of every variant.
    pub keys: &'static [Key],
    /// Further keys that depend on the value of one key.
    pub variants: Option<Variants>,
    /// Keys whose text names one table among several, best first; `service[app]` in problems.
    pub label: &'static [&'static str],
}

/// Keys that depend on the value of one key.
#[derive(Debug)]
pub(crate) struct Variants {
    /// The key that decides.
    pub key: &'static str,
    /// What it says.
    pub about: &'static str,
    /// Its value where the key is absent.
    pub default: Option<&'static str>,
    /// The variants.
    pub of: &'static [Variant],
}

/// One variant.
#[derive(Debug)]
pub(crate) struct Variant {
    /// The deciding key's value.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// The keys that only this variant has.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub about: &'static str,
    /// Its type and range.
    pub kind: Kind,
    /// What happens without it.
    pub need: Need,
}

/// What happens without a key.
#[derive(Debug)]
pub(crate) enum Need {
    /// Its absence is a problem.
    Required,
    /// It has this value.
    Default(Literal),
    /// What its absence means, in words.
    Optional(&'static str),
}

/// A default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Literal {
    Text(&'static str),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Texts(&'static [&'static str]),
}

/// The type and range of a value.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string of a certain form.
    Text(&'static Text),
    /// A string such as `5s`, between the two.
    Duration(Duration, Duration),
    /// An IP address.
    Ip,
    /// A whole number between the two.
    Integer(i64, i64),
    /// A status code, or a text with a set of them.
    Statuses,
    /// A number between the two.
    Number(f64, f64),
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Choice(&'static [Word]),
    /// A list of at least so many values.
    List(&'static Kind, usize),
    /// A table.
    Table(&'static Shape),
    /// `[[…]]`, merged by name.
    Named(&'static Shape),
    /// `[[…]]`, appended.
    Appended(&'static Shape),
    /// A short form, or a table.
    Either(&'static Kind, &'static Shape),
}

/// One word of a choice, and what it means.
#[derive(Debug)]
pub(crate) struct Word(pub &'static str, pub &'static str);

/// A form of string. The pattern is in the common subset of Rust's and ECMAScript's regular expressions,
/// because the schema carries it too.
#[derive(Debug)]
pub(crate) struct Text {
    /// What it is (`a unit's name`).
    pub what: &'static str,
    /// A good one.
    pub example: &'static str,
    /// Anchored at both ends.
    pub pattern: &'static str,
    /// What to know when it does not match.
    pub hint: &'static str,
    compiled: OnceLock<Regex>,
}

impl Text {
    pub(crate) const fn new(
        what: &'static str,
        example: &'static str,
        pattern: &'static str,
        hint: &'static str,
    ) -> Self {
        Self { what, example, pattern, hint, compiled: OnceLock::new() }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.get_or_init(|| Regex::new(self.pattern).expect("the patterns are tested")).is_match(text)
    }
}

impl Shape {
    /// The variant of that name.
    pub(crate) fn variant(&self, name: &str) -> Option<&'static Variant> {
        self.variants.as_ref().and_then(|v| v.of.iter().find(|v| v.name == name))
    }

    /// The key of that name that a table of this variant has.
    pub(crate) fn key_of(&self, variant: Option<&str>, name: &str) -> Option<&'static Key> {
        let own = variant.and_then(|v| self.variant(v)).map_or(&[][..], |v| v.keys);
        self.keys.iter().chain(own).find(|k| k.name == name)
    }

    /// The key of that name, of any variant.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.all_keys().find(|k| k.name == name)
    }

    /// The keys of every variant, the common ones first.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        let variants = self.variants.as_ref().map_or(&[][..], |v| v.of);
        self.keys.iter().chain(variants.iter().flat_map(|v| v.keys))
    }
}

impl Kind {
    /// The shape of the tables inside, where there are any.
    pub(crate) fn shape(&self) -> Option<&'static Shape> {
        match self {
            Self::Table(shape) | Self::Named(shape) | Self::Appended(shape) | Self::Either(_, shape) => Some(shape),
            Self::List(of, _) => of.shape(),
            _ => None,
        }
    }
}
