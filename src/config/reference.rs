//! The reference of all keys as Markdown, made from the table of keys: the second half of `docs/configuration.md`.

use super::{
    duration::show,
    keys::ROOT,
    shape::{Key, Kind, Literal, Need, Shape},
};

/// Every key with its type, its default and what it says. `docs/configuration.md` holds this, kept equal by a test.
pub fn reference() -> String {
    let mut out = String::new();
    section(&mut out, &ROOT, "");
    out
}

fn section(out: &mut String, shape: &'static Shape, path: &str) {
    if !path.is_empty() {
        table(out, shape, &format!("`{path}`"));
    }
    for inner in shape.keys.iter().filter_map(|key| Some((key.kind.shape()?, header(path, key)))) {
        section(out, inner.0, &inner.1);
    }
    for (tag, variant) in shape.variants.iter().flat_map(|tag| tag.of.iter().map(move |v| (tag, v))) {
        for inner in variant.keys.iter().filter_map(|key| Some((key.kind.shape()?, header(path, key)))) {
            section(out, inner.0, &format!("{} with {} = \"{}\"", inner.1, tag.key, variant.name));
        }
    }
}

/// One shape: what it is, and its keys.
pub(crate) fn table(out: &mut String, shape: &'static Shape, title: &str) {
    out.push_str(&format!("### {title}\n\n{}\n\n", shape.about));
    out.push_str("| key | value | without it | what it says |\n| --- | --- | --- | --- |\n");
    if let Some(tag) = &shape.variants {
        let names: Vec<String> = tag.of.iter().map(|v| format!("`\"{}\"`", v.name)).collect();
        let without = tag.default.map_or("*required*".to_owned(), |d| format!("`\"{d}\"`"));
        out.push_str(&format!("| `{}` | {} | {without} | {} |\n", tag.key, names.join(", "), tag.about));
    }
    shape.keys.iter().for_each(|key| row(out, key, None));
    if let Some(tag) = &shape.variants {
        for variant in tag.of {
            variant.keys.iter().for_each(|key| row(out, key, Some((tag.key, variant.name))));
        }
    }
    out.push('\n');
}

/// `[[service]]` at the top, `service.ready` below, as people write them.
fn header(path: &str, key: &Key) -> String {
    let base = path.trim_matches(['[', ']']);
    let name = if base.is_empty() { key.name.to_owned() } else { format!("{base}.{}", key.name) };
    match key.kind {
        Kind::Named(_) | Kind::Appended(_) => format!("[[{name}]]"),
        Kind::List(..) => format!("{name}[]"),
        _ if base.is_empty() => format!("[{name}]"),
        _ => name,
    }
}

fn row(out: &mut String, key: &Key, only: Option<(&str, &str)>) {
    let without = match key.need {
        Need::Required => "*required*".to_owned(),
        Need::Optional(what) => what.to_owned(),
        Need::Default(literal) => format!("`{}`", literal_toml(literal)),
    };
    let only = only.map_or(String::new(), |(tag, name)| format!("With `{tag} = \"{name}\"`. "));
    out.push_str(&format!("| `{}` | {} | {without} | {only}{} |\n", key.name, value(&key.kind), key.about));
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) => format!("{}, `\"{}\"`", form.what, form.example),
        Kind::Duration(min, max) => format!("a duration, `\"{}\"` to `\"{}\"`", show(*min), show(*max)),
        Kind::Ip => "an IP address".into(),
        Kind::Integer(min, max) => format!("an integer, {min} to {max}"),
        Kind::Statuses => "an integer, 100 to 599, or a set of them, `\"200-299, 404\"`".into(),
        Kind::Number(min, max) => format!("a number, {min} to {max}"),
        Kind::Boolean => "`true` or `false`".into(),
        Kind::Choice(words) => words.iter().map(|w| format!("`\"{}\"`", w.0)).collect::<Vec<_>>().join(", "),
        Kind::List(of, _) => format!("a list of: {}", value(of)),
        Kind::Table(_) => "a table".into(),
        Kind::Named(_) => "tables, merged by `name`".into(),
        Kind::Appended(_) => "tables, appended".into(),
        Kind::Either(short, _) => format!("{}, or a table", value(short)),
    }
}

fn literal_toml(literal: Literal) -> String {
    match literal {
        Literal::Text(text) => format!("{text:?}"),
        Literal::Integer(n) => n.to_string(),
        Literal::Number(n) => n.to_string(),
        Literal::Boolean(b) => b.to_string(),
        Literal::Texts(texts) => format!("{texts:?}"),
    }
}
