//! The table of keys and what is made of it: no key without an effect, no document that is out of date.

use tidegate::config;

use super::{load, repository};

/// Every key, each with another value than its default.
const FULL: &str = include_str!("full.toml");

/// Removes the nth leaf (or inner table) and says which one it was.
fn without(table: &mut toml::Table, path: &str, nth: &mut usize) -> Option<String> {
    let keys: Vec<String> = table.keys().cloned().collect();
    for key in keys {
        let path = format!("{path}.{key}");
        if *nth == 0 {
            table.remove(&key);
            return Some(path);
        }
        *nth -= 1;
        let removed = match table.get_mut(&key) {
            Some(toml::Value::Table(inner)) => without(inner, &path, nth),
            Some(toml::Value::Array(items)) => {
                items.iter_mut().filter_map(toml::Value::as_table_mut).find_map(|t| without(t, &path, nth))
            }
            _ => None,
        };
        if removed.is_some() {
            return removed;
        }
    }
    None
}

#[test]
fn every_key_has_an_effect() {
    let full: toml::Table = FULL.parse().expect("TOML");
    let settings = load(&[FULL]).unwrap_or_else(|r| panic!("{r}"));
    let mut tried = 0;
    loop {
        let mut table = full.clone();
        let Some(path) = without(&mut table, "", &mut tried.clone()) else { break };
        if let Ok(other) = load(&[&table.to_string()]) {
            assert_ne!(other, settings, "{path} changes nothing");
        }
        tried += 1;
    }
    assert!(tried > 60, "{tried} keys were tried");
}

#[test]
fn every_key_of_the_reference_is_in_the_full_configuration() {
    let words: Vec<&str> = FULL.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    for line in config::reference().lines().filter(|line| line.starts_with("| `")) {
        let key = line.split('`').nth(1).expect("a key");
        assert!(words.contains(&key), "{key} is not tried");
    }
}

/// Compares a file of this repository with what it should be; `TIDEGATE_WRITE=1` writes it instead.
fn holds(path: &str, expected: &str) {
    let path = repository(path);
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        std::fs::write(&path, expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: run this test with TIDEGATE_WRITE=1", path.display());
}

#[test]
fn the_schema_file_is_the_schema() {
    let schema = serde_json::to_string_pretty(&config::schema()).expect("JSON");
    holds("config/tidegate.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_documentation_holds_the_reference() {
    let page = std::fs::read_to_string(repository("docs/configuration.md")).expect("the page");
    let marker = "<!-- made from src/config/keys: every key -->\n";
    let (story, _) = page.split_once(marker).expect("the marker");
    holds("docs/configuration.md", &format!("{story}{marker}\n{}\n", config::reference().trim_end()));
}
