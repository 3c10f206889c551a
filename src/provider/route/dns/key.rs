//! The TSIG key: a file in BIND's own format, as `tsig-keygen` writes it.
//!
//! ```text
//! key "drain." { algorithm hmac-sha256; secret "c2VjcmV0…"; };
//! ```
//!
//! Whoever can read the secret can rewrite the zone, so a file that others may read is refused, and so is whatever is
//! weaker than HMAC-SHA256. It is read anew for every update: a key that was changed is used at once. Nothing here
//! shows a secret: no error quotes the file.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

use data_encoding::BASE64;
use hickory_proto::rr::{TSigner, rdata::tsig::TsigAlgorithm};

use super::names;

/// Longest key file that is read.
const MAX_FILE: u64 = 64 << 10;
/// Seconds by which the clocks may differ.
const FUDGE: u16 = 300;
/// The shortest secret that is no mistake, in bytes: RFC 8945 wants half of the hash at least.
const MIN_SECRET: usize = 16;

/// Reads the key of a file that nobody but its owner may read.
pub(super) fn load(path: &Path) -> Result<TSigner, String> {
    let at = path.display();
    let unreadable = |error| format!("the key file {at} cannot be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("the key file {at} is no file"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("the key file {at} is open to others (mode {mode:03o}): chmod 600 {at}"));
    }
    let mut text = String::new();
    let read = (&mut file).take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(|_| format!("the key file {at} is no text"))?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("the key file {at} is larger than {MAX_FILE} bytes"));
    }
    parse(&text).map_err(|why| format!("the key file {at}: {why}"))
}

/// Reads one `key` statement.
pub(super) fn parse(text: &str) -> Result<TSigner, String> {
    let words = words(text)?;
    let mut words = words.iter().map(String::as_str);
    let name = match (words.next(), words.next(), words.next()) {
        (Some("key"), Some(name), Some("{")) => name,
        _ => return Err("it does not begin with `key \"name\" {`".into()),
    };
    let (mut algorithm, mut secret) = (None, None);
    loop {
        match words.next() {
            Some("algorithm") if algorithm.is_none() => algorithm = Some(value(&mut words, "algorithm")?),
            Some("secret") if secret.is_none() => secret = Some(value(&mut words, "secret")?),
            Some("}") => break,
            _ => return Err("between `{` and `}` stand `algorithm …;` and `secret …;`, once each".into()),
        }
    }
    if words.next() != Some(";") {
        return Err("`};` is missing at the end".into());
    }
    if words.next().is_some() {
        return Err("it holds more than one key".into());
    }
    let algorithm = self::algorithm(algorithm.ok_or("it names no algorithm")?)?;
    let secret = unbase64(secret.ok_or("it holds no secret")?).ok_or("its secret is no base64")?;
    if secret.len() < MIN_SECRET {
        return Err(format!("its secret has {} bytes; {MIN_SECRET} are the least", secret.len()));
    }
    let name = names::full(name).map_err(|_| "its key has no valid name".to_owned())?;
    TSigner::new(secret, algorithm, name, FUDGE).map_err(|error| error.to_string())
}

fn value<'a>(words: &mut impl Iterator<Item = &'a str>, of: &str) -> Result<&'a str, String> {
    match (words.next(), words.next()) {
        (Some(value), Some(";")) if !["{", "}", ";"].contains(&value) => Ok(value),
        _ => Err(format!("`{of}` wants one value and a `;`")),
    }
}

fn algorithm(word: &str) -> Result<TsigAlgorithm, String> {
    match word.trim_end_matches('.').to_ascii_lowercase().as_str() {
        "hmac-sha256" => Ok(TsigAlgorithm::HmacSha256),
        "hmac-sha384" => Ok(TsigAlgorithm::HmacSha384),
        "hmac-sha512" => Ok(TsigAlgorithm::HmacSha512),
        weak @ ("hmac-md5" | "hmac-md5.sig-alg.reg.int" | "hmac-sha1" | "hmac-sha224") => {
            Err(format!("{weak} is too weak: make a key with `tsig-keygen -a hmac-sha256`"))
        }
        _ => Err("its algorithm is not hmac-sha256, hmac-sha384 or hmac-sha512".into()),
    }
}

/// BIND's words: bare or in quotes, `{`, `}` and `;` for themselves, comments in three styles.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(words) };
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => 2 + rest.find("*/").ok_or("a comment has no end")?,
            '"' => {
                let end = rest[1..].find(['"', '\n']).filter(|end| rest[1 + end..].starts_with('"'));
                let end = end.ok_or("a quotation mark has no second")?;
                words.push(rest[1..=end].to_owned());
                end + 2
            }
            '{' | '}' | ';' => {
                words.push(first.to_string());
                1
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "{};\"#".contains(c);
                let end = rest.find(ends).unwrap_or(rest.len());
                words.push(rest[..end].to_owned());
                end
            }
        };
        rest = &rest[length..];
    }
}

/// Base64 with padding; blanks inside are BIND's way to break lines.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).ok()
}

#[cfg(test)]
mod tests;
