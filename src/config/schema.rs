//! The JSON Schema of the configuration, made from the table of keys, for editors that complete and check TOML.
//! Draft 7: what the editors' TOML extensions understand.

use serde_json::{Map, Value, json};

use super::{
    duration,
    keys::ROOT,
    shape::{Key, Kind, Literal, Need, Shape, Variant, Variants},
};

/// The schema. `config/tidegate.schema.json` is this, kept equal by a test.
pub fn schema() -> Value {
    Style::PLAIN.schema(&ROOT, "Tidegate configuration")
}

/// How a schema is written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// What a text may hold in the place of any value, as a pattern: it is another value later.
    pub placeholder: Option<&'static str>,
    /// Shapes that are described once, under a name of their own, and referred to.
    pub named: &'static [(&'static str, &'static Shape)],
}

impl Style {
    const PLAIN: Self = Self { placeholder: None, named: &[] };

    /// The schema of a shape.
    pub(crate) fn schema(self, root: &Shape, title: &str) -> Value {
        let mut schema = self.whole(root);
        if let Some(map) = schema.as_object_mut() {
            map.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
            map.insert("title".into(), title.into());
            if !self.named.is_empty() {
                let named: Map<String, Value> =
                    self.named.iter().map(|(name, shape)| ((*name).to_owned(), self.whole(shape))).collect();
                map.insert("definitions".into(), named.into());
            }
        }
        schema
    }

    fn object(self, shape: &Shape) -> Value {
        match self.named.iter().find(|(_, named)| std::ptr::eq(*named, shape)) {
            Some((name, _)) => json!({ "$ref": format!("#/definitions/{name}") }),
            None => self.whole(shape),
        }
    }

    fn whole(self, shape: &Shape) -> Value {
        match &shape.variants {
            None => self.one(shape.about, shape.keys.iter(), None),
            Some(tag) => {
                let keys = |v: &'static Variant| shape.keys.iter().chain(v.keys);
                let of: Vec<Value> = tag.of.iter().map(|v| self.one(v.about, keys(v), Some((tag, v.name)))).collect();
                json!({ "description": shape.about, "oneOf": of })
            }
        }
    }

    fn one<'k>(self, about: &str, keys: impl Iterator<Item = &'k Key>, tag: Option<(&Variants, &str)>) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        if let Some((tag, name)) = tag {
            properties.insert(tag.key.into(), json!({ "description": tag.about, "const": name }));
            if tag.default != Some(name) {
                required.push(tag.key);
            }
        }
        for key in keys {
            properties.insert(key.name.into(), self.property(key));
            if matches!(key.need, Need::Required) {
                required.push(key.name);
            }
        }
        json!({
            "description": about,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn property(self, key: &Key) -> Value {
        let mut value = self.kind(&key.kind);
        let Some(map) = value.as_object_mut() else { return value };
        let about = match key.need {
            Need::Optional(without) => format!("{} Without it: {without}.", key.about),
            _ => key.about.to_owned(),
        };
        map.insert("description".into(), about.into());
        if let Need::Default(literal) = key.need {
            map.insert("default".into(), default(literal));
        }
        value
    }

    /// A value of a kind, or a placeholder for one.
    fn kind(self, kind: &Kind) -> Value {
        let plain = self.plain(kind);
        match (self.placeholder, kind) {
            (None, _)
            | (_, Kind::List(..) | Kind::Table(_) | Kind::Named(_) | Kind::Appended(_) | Kind::Either(..)) => plain,
            (Some(pattern), _) => json!({ "anyOf": [plain, { "type": "string", "pattern": pattern }] }),
        }
    }

    fn plain(self, kind: &Kind) -> Value {
        match kind {
            Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern, "examples": [form.example] }),
            Kind::Duration(..) => {
                json!({ "type": "string", "minLength": 1, "pattern": duration::PATTERN, "examples": ["200ms", "5s", "1h30m"] })
            }
            Kind::Ip => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
            Kind::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Statuses => json!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^ *[1-5][0-9]{2}( *- *[1-5][0-9]{2})?( *, *[1-5][0-9]{2}( *- *[1-5][0-9]{2})?)* *$" },
        ] }),
            Kind::Number(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Choice(words) => {
                let of: Vec<Value> = words.iter().map(|w| json!({ "const": w.0, "description": w.1 })).collect();
                json!({ "oneOf": of })
            }
            Kind::List(of, least) => json!({ "type": "array", "items": self.kind(of), "minItems": least }),
            Kind::Table(shape) => self.object(shape),
            Kind::Named(shape) | Kind::Appended(shape) => {
                json!({ "type": "array", "items": self.object(shape), "minItems": 1 })
            }
            Kind::Either(short, shape) => json!({ "anyOf": [self.kind(short), self.object(shape)] }),
        }
    }
}

fn default(literal: Literal) -> Value {
    match literal {
        Literal::Text(text) => json!(text),
        Literal::Integer(n) => json!(n),
        Literal::Number(n) => json!(n),
        Literal::Boolean(b) => json!(b),
        Literal::Texts(texts) => json!(texts),
    }
}
