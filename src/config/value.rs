//! The check of one value against its kind: what was expected, what was found, and what to write instead.

use super::{
    duration, endpoint,
    expect::Statuses,
    nearest::nearest,
    shape::{Kind, Text},
    texts,
    tree::Value,
};

/// A fault of a value: what is wrong, and what to write instead.
pub(crate) struct Fault {
    pub message: String,
    pub help: Option<String>,
}

/// Checks a single value.
pub(crate) fn scalar(kind: &'static Kind, value: &Value) -> Result<(), Fault> {
    match (kind, value) {
        (_, Value::Open) => Ok(()),
        (Kind::Text(form), Value::Text(text)) => text_of(form, text),
        (Kind::Text(form), other) => expected(&format!("a string such as \"{}\"", form.example), other, None),
        (Kind::Duration(min, max), Value::Text(text)) => match duration::parse(text) {
            Ok(d) if (*min..=*max).contains(&d) => Ok(()),
            Ok(_) => fault(
                format!("\"{text}\" is out of range"),
                format!("from \"{}\" to \"{}\"", duration::show(*min), duration::show(*max)),
            ),
            Err(why) => {
                fault(format!("{value} is no duration: {why}"), "write it as \"200ms\", \"5s\", \"10m\" or \"1h30m\"")
            }
        },
        (Kind::Duration(..), Value::Integer(Some(n))) => expected(
            "a string such as \"5s\"",
            value,
            Some(format!("a duration carries its unit: \"{n}s\" or \"{n}ms\"")),
        ),
        (Kind::Duration(..), other) => expected("a string such as \"5s\"", other, None),
        (Kind::Ip, Value::Text(text)) if text.parse::<std::net::IpAddr>().is_ok() => Ok(()),
        (Kind::Ip, other) => expected("an IP address such as \"10.0.0.11\"", other, None),
        (Kind::Integer(min, max), Value::Integer(Some(n))) if (min..=max).contains(&n) => Ok(()),
        (Kind::Integer(min, max), Value::Integer(_)) => {
            fault(format!("{value} is out of range"), format!("from {min} to {max}"))
        }
        (Kind::Integer(..), other) => expected("an integer", other, None),
        (Kind::Statuses, Value::Integer(Some(100..=599))) => Ok(()),
        (Kind::Statuses, Value::Integer(_)) => fault(format!("{value} is no status"), "from 100 to 599"),
        (Kind::Statuses, Value::Text(text)) => match text.parse::<Statuses>() {
            Ok(_) => Ok(()),
            Err(why) => fault(format!("{value} is no set of statuses: {why}"), "write it as \"200-299, 404\""),
        },
        (Kind::Statuses, other) => expected("a status, or a set of them such as \"200-299, 404\"", other, None),
        (Kind::Number(min, max), Value::Number(n)) if (*min..=*max).contains(n) => Ok(()),
        (Kind::Number(min, max), Value::Integer(Some(n))) if (*min..=*max).contains(&(*n as f64)) => Ok(()),
        (Kind::Number(min, max), Value::Number(_) | Value::Integer(_)) => {
            fault(format!("{value} is out of range"), format!("from {min} to {max}"))
        }
        (Kind::Number(..), other) => expected("a number", other, None),
        (Kind::Boolean, Value::Boolean(_)) => Ok(()),
        (Kind::Boolean, other) => expected("true or false", other, None),
        (Kind::Choice(words), value) => word(value, &words.iter().map(|w| w.0).collect::<Vec<_>>()),
        (Kind::List(..), other) => expected("a list", other, Some("put it in `[` and `]`".into())),
        (Kind::Table(_) | Kind::Either(..), other) => expected("a table", other, None),
        (Kind::Named(_) | Kind::Appended(_), other) => {
            expected("a list of tables", other, Some("write its header with two brackets, as in `[[service]]`".into()))
        }
    }
}

fn text_of(form: &'static Text, text: &str) -> Result<(), Fault> {
    let fits = form.matches(text) && (!std::ptr::eq(form, &texts::ENDPOINT) || endpoint::parse(text).is_some());
    if fits {
        return Ok(());
    }
    let found = Value::Text(text.to_owned());
    fault(format!("expected {} such as \"{}\", found {found}", form.what, form.example), form.hint)
}

pub(crate) fn word(value: &Value, known: &[&str]) -> Result<(), Fault> {
    let list = known.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
    match value {
        Value::Open => Ok(()),
        Value::Text(text) if known.contains(&text.as_str()) => Ok(()),
        Value::Text(text) => {
            let help = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? Known: {list}"),
                None => format!("known: {list}"),
            };
            fault(format!("{} is not known here", value.to_string().trim_start_matches("a string ")), help)
        }
        other if known.len() == 1 => expected(&list, other, None),
        other => expected(&format!("one of {list}"), other, None),
    }
}

/// A short form that does not fit might have been meant as the table.
pub(crate) fn or_table(result: Result<(), Fault>, value: &Value) -> Result<(), Fault> {
    result.map_err(|fault| match value {
        Value::Text(_) => fault,
        _ => Fault { message: fault.message.replace(", found", " or a table, found"), ..fault },
    })
}

pub(crate) fn expected(what: &str, found: &Value, help: Option<String>) -> Result<(), Fault> {
    Err(Fault { message: format!("expected {what}, found {found}"), help })
}

fn fault(message: String, help: impl Into<String>) -> Result<(), Fault> {
    Err(Fault { message, help: Some(help.into()) })
}
