//! The JSON Schema of the configuration, made from the table of keys, for editors that complete and check TOML.
//! Draft 7: what the editors' TOML extensions understand.

use serde_json::{Map, Value, json};

use super::{
    duration,
    keys::ROOT,
    shape::{Key, Kind, Literal, Need, Shape, Variants},
};

/// The schema. `config/tidegate.schema.json` is this, kept equal by a test.
pub fn schema() -> Value {
    let mut schema = object(&ROOT);
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        map.insert("title".into(), "Tidegate configuration".into());
    }
    schema
}

fn object(shape: &Shape) -> Value {
    match &shape.variants {
        None => one(shape.about, shape.keys.iter(), None),
        Some(tag) => {
            let of: Vec<Value> =
                tag.of.iter().map(|v| one(v.about, shape.keys.iter().chain(v.keys), Some((tag, v.name)))).collect();
            json!({ "description": shape.about, "oneOf": of })
        }
    }
}

fn one<'k>(about: &str, keys: impl Iterator<Item = &'k Key>, tag: Option<(&Variants, &str)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some((tag, name)) = tag {
        properties.insert(tag.key.into(), json!({ "description": tag.about, "const": name }));
        if tag.default != Some(name) {
            required.push(tag.key);
        }
    }
    for key in keys {
        properties.insert(key.name.into(), property(key));
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

fn property(key: &Key) -> Value {
    let mut value = kind(&key.kind);
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

fn default(literal: Literal) -> Value {
    match literal {
        Literal::Text(text) => json!(text),
        Literal::Integer(n) => json!(n),
        Literal::Number(n) => json!(n),
        Literal::Boolean(b) => json!(b),
        Literal::Texts(texts) => json!(texts),
    }
}

fn kind(kind: &Kind) -> Value {
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
        Kind::List(of, least) => json!({ "type": "array", "items": self::kind(of), "minItems": least }),
        Kind::Table(shape) => object(shape),
        Kind::Named(shape) | Kind::Appended(shape) => json!({ "type": "array", "items": object(shape), "minItems": 1 }),
        Kind::Either(short, shape) => json!({ "anyOf": [self::kind(short), object(shape)] }),
    }
}
