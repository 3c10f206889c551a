//! NGINX's configuration as a tree: a name, its words, and what is between its braces.

use std::time::Duration;

/// Deepest nesting that is read; NGINX itself needs six.
const DEEPEST: usize = 32;

/// One directive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directive {
    pub name: String,
    pub args: Vec<String>,
    pub block: Vec<Directive>,
}

/// Where a directive passes requests or connections.
pub(super) struct Target<'a> {
    pub upstream: &'a str,
    pub http: bool,
    pub tls: bool,
}

impl Directive {
    /// The upstream that it passes to, where it does.
    pub fn target(&self) -> Option<Target<'_>> {
        let to = self.args.first().filter(|_| matches!(self.name.as_str(), "proxy_pass" | "grpc_pass"))?;
        let (scheme, rest) = to.split_once("://").map_or((None, to.as_str()), |(scheme, rest)| (Some(scheme), rest));
        let upstream = rest.split('/').next().unwrap_or_default();
        let http = scheme.is_some() || self.name == "grpc_pass";
        Some(Target { upstream, http, tls: matches!(scheme, Some("https" | "grpcs")) })
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Open,
    Close,
    End,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Vec<Directive>, String> {
    let mut tokens = tokens(text).into_iter();
    block(&mut tokens, 0)
}

fn block(tokens: &mut std::vec::IntoIter<Token>, depth: usize) -> Result<Vec<Directive>, String> {
    if depth > DEEPEST {
        return Err("NGINX's configuration has too many braces".into());
    }
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    loop {
        let directive = |words: &mut Vec<String>, block| {
            let mut all = std::mem::take(words).into_iter();
            Directive { name: all.next().unwrap_or_default(), args: all.collect(), block }
        };
        match tokens.next() {
            Some(Token::Word(word)) => words.push(word),
            Some(Token::End) => found.push(directive(&mut words, Vec::new())),
            Some(Token::Open) => {
                let inner = block(tokens, depth + 1)?;
                found.push(directive(&mut words, inner));
            }
            Some(Token::Close) if depth > 0 && words.is_empty() => return Ok(found),
            None if depth == 0 && words.is_empty() => return Ok(found),
            Some(Token::Close) | None => return Err("NGINX's configuration ends in the middle of a directive".into()),
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_none() => while chars.next().is_some_and(|c| c != '\n') {},
            '"' | '\'' if word.is_none() => {
                let mut quoted = String::new();
                while let Some(inner) = chars.next().filter(|i| *i != c) {
                    if inner == '\\' && chars.peek().is_some_and(|next| *next == c || *next == '\\') {
                        quoted.extend(chars.next());
                    } else {
                        quoted.push(inner);
                    }
                }
                tokens.push(Token::Word(quoted));
            }
            // `${name}` is part of a word.
            '{' if word.as_deref().is_some_and(|w| w.ends_with('$')) => {
                let word = word.get_or_insert_default();
                word.push('{');
                for inner in chars.by_ref() {
                    word.push(inner);
                    if inner == '}' {
                        break;
                    }
                }
            }
            '{' | '}' | ';' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(match c {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
            }
            c if c.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            '\\' => {
                let word = word.get_or_insert_default();
                word.push('\\');
                word.extend(chars.next());
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

/// A time as NGINX writes it, in one unit: `30m`, `60`, `500ms`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}
