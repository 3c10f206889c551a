//! The table of keys and what is made of it: the schema and the reference are up to date, and the schema accepts what
//! the program accepts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{LazyLock, Mutex},
};

use regex::Regex;
use serde_json::Value;
use tidegate::playbook;

use super::{repository, texts};

/// Compares a file of this repository with what it should be; `TIDEGATE_WRITE=1` writes it instead.
fn holds(path: &str, expected: &str) {
    let path = repository(path);
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        fs::write(&path, expected).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: run this test with TIDEGATE_WRITE=1", path.display());
}

#[test]
fn the_schema_file_is_the_schema() {
    let schema = serde_json::to_string_pretty(&playbook::schema()).expect("JSON");
    holds("config/playbook.schema.json", &format!("{schema}\n"));
}

const MARKER: &str = "<!-- made from src/playbook/keys: every key -->\n";

fn page() -> (String, String) {
    let page = fs::read_to_string(repository("docs/playbooks.md")).expect("the page");
    let (story, reference) = page.split_once(MARKER).expect("the marker");
    (story.to_owned(), reference.to_owned())
}

#[test]
fn the_documentation_holds_the_reference() {
    let (story, _) = page();
    holds("docs/playbooks.md", &format!("{story}{MARKER}\n{}\n", playbook::reference().trim_end()));
}

/// The first block of TOML of a page.
fn block(page: &str) -> &str {
    page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of TOML")
}

#[test]
fn the_playbook_of_the_documentation_loads() {
    let (story, _) = page();
    let loaded = texts(&[("page.toml", block(&story))], &[]).unwrap_or_else(|r| panic!("{r}"));
    assert!(loaded.playbook.steps.len() > 3);
}

#[test]
fn the_page_of_drills_has_one_that_loads_and_lists_every_one_that_is_shipped() {
    let page = fs::read_to_string(repository("docs/drills.md")).expect("the page");
    let loaded = texts(&[("page.toml", block(&page))], &[("target", "node-02")]).unwrap_or_else(|r| panic!("{r}"));
    assert!(loaded.playbook.drill.is_some() && loaded.playbook.is_unplanned());
    let table = page.split("| drill |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let rows: BTreeSet<&str> = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let files = fs::read_dir(repository("playbooks/drills")).expect("the folder");
    let stem = |path: std::path::PathBuf| path.file_stem().expect("a name").display().to_string();
    let shipped: BTreeSet<String> = files.map(|entry| stem(entry.expect("an entry").path())).collect();
    assert_eq!(rows, shipped.iter().map(String::as_str).collect());
}

/// What a value of this schema is not, with the place; the part of draft 7 that the schema uses.
fn refused(schema: &Value, value: &Value, root: &Value) -> Option<String> {
    let list = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let all: [Option<String>; 6] = [
        schema["$ref"].as_str().and_then(|to| {
            let to = root.pointer(to.strip_prefix('#').expect("local")).expect("it is there");
            refused(to, value, root)
        }),
        schema["type"].as_str().and_then(|kind| {
            let fits = match kind {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64(),
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                other => panic!("the type {other} is not understood here"),
            };
            (!fits).then(|| format!("{value} is no {kind}"))
        }),
        schema.get("const").filter(|only| *only != value).map(|only| format!("{value} is not {only}")),
        schema["pattern"]
            .as_str()
            .zip(value.as_str())
            .and_then(|(pattern, text)| (!fits(pattern, text)).then(|| format!("{text:?} is not as {pattern}"))),
        value.as_f64().and_then(|n| {
            let out = schema["minimum"].as_f64().is_some_and(|min| n < min)
                || schema["maximum"].as_f64().is_some_and(|max| n > max);
            out.then(|| format!("{n} is out of range"))
        }),
        value.as_array().and_then(|items| {
            let few = schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least);
            let wrong = || items.iter().find_map(|item| refused(schema.get("items")?, item, root));
            if few { Some("too few".to_owned()) } else { wrong() }
        }),
    ];
    let among = |name: &str, good: fn(usize) -> bool| {
        let of = list(name);
        let refusals: Vec<String> = of.iter().filter_map(|one| refused(one, value, root)).collect();
        (!of.is_empty() && !good(of.len() - refusals.len())).then(|| format!("{name}: {}", refusals.join("; ")))
    };
    all.into_iter()
        .flatten()
        .next()
        .or_else(|| among("anyOf", |fit| fit > 0))
        .or_else(|| among("oneOf", |fit| fit == 1))
        .or_else(|| members(schema, value, root))
}

/// Compiled once: there are many values, and few patterns.
fn fits(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().expect("no test panics with it");
    compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern")).is_match(text)
}

fn members(schema: &Value, value: &Value, root: &Value) -> Option<String> {
    let (known, object) = (schema["properties"].as_object()?, value.as_object()?);
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lacks = required.iter().filter_map(Value::as_str).find(|key| !object.contains_key(*key));
    lacks.map(|key| format!("{key} is missing")).or_else(|| {
        object.iter().find_map(|(key, value)| match known.get(key) {
            Some(schema) => refused(schema, value, root).map(|why| format!("{key}: {why}")),
            None => Some(format!("{key} is unknown")),
        })
    })
}

fn refusal(path: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(path).expect("the file");
    let table: toml::Table = text.parse().expect("TOML");
    let schema = playbook::schema();
    refused(&schema, &serde_json::to_value(table).expect("JSON"), &schema)
}

#[test]
fn the_schema_accepts_every_shipped_playbook() {
    let mut tried = 0;
    for folder in ["playbooks", "playbooks/drills"] {
        for entry in fs::read_dir(repository(folder)).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "toml") {
                assert_eq!(refusal(&path), None, "{}", path.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried} were tried");
}

#[test]
fn the_schema_refuses_what_has_no_such_form() {
    for case in ["types", "unknown-keys", "left-out"] {
        let path = repository("tests/playbooks/broken").join(case).with_extension("toml");
        assert!(refusal(&path).is_some(), "{case}");
    }
}
