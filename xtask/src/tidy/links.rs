//! Links in Markdown: whatever is inside the repository exists, with its heading where the link names one.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, Finding};

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let pages: BTreeMap<&str, BTreeSet<String>> =
        files.iter().filter(|f| is_page(f)).map(|f| (f.path.as_str(), anchors(&f.text))).collect();
    let exists = |path: &str| {
        let folder = format!("{}/", path.trim_end_matches('/'));
        files.iter().any(|f| f.path == path || f.path.starts_with(&folder))
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| is_page(f)) {
        for (line, target) in targets(&file.text) {
            let (path, anchor) = target.split_once('#').map_or((target.as_str(), None), |(p, a)| (p, Some(a)));
            let Some(path) = resolve(&file.path, path) else {
                findings.push(Finding::error(file, line, format!("{target} leads out of the repository")));
                continue;
            };
            if !exists(&path) {
                findings.push(Finding::error(file, line, format!("{target} leads nowhere: there is no {path}")));
            } else if let (Some(anchor), Some(known)) = (anchor, pages.get(path.as_str()))
                && !known.contains(anchor)
            {
                findings.push(Finding::error(file, line, format!("{target}: {path} has no such heading")));
            }
        }
    }
    findings
}

fn is_page(file: &File) -> bool {
    file.path.ends_with(".md")
}

/// Lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((at + 1, line))
    })
}

/// Targets of links to the repository itself.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (line, text) in prose(text) {
        for part in text.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else { continue };
            let is_outside = target.contains("://") || target.starts_with("mailto:");
            if !is_outside {
                targets.push((line, target.to_owned()));
            }
        }
    }
    targets
}

/// The path from the root that a link in `page` means; `None` where it leaves the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The headings of a page as GitHub names them in links.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text).filter_map(|(_, line)| line.strip_prefix('#')).map(|h| slug(h.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    fn found(readme: &str) -> Vec<String> {
        let guide = fixture("docs/guide.md", "# At 3 a.m.\n\n[back](../README.md)\n");
        check(&[fixture("README.md", readme), guide]).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn what_exists_is_fine() {
        let text =
            "# Top\n[a](docs/guide.md) [b](docs/guide.md#at-3-am) [c](#top) [d](docs/) [e](https://example.com/x)\n";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_exist_is_found() {
        assert_eq!(
            found("\n[a](docs/gide.md)\n"),
            ["README.md:2: docs/gide.md leads nowhere: there is no docs/gide.md"]
        );
        assert_eq!(found("[a](../x.md)\n"), ["README.md:1: ../x.md leads out of the repository"]);
        assert_eq!(
            found("[a](docs/guide.md#x)\n"),
            ["README.md:1: docs/guide.md#x: docs/guide.md has no such heading"]
        );
    }

    #[test]
    fn blocks_of_code_hold_no_links() {
        assert_eq!(found("```toml\n# a\nx = [a](nowhere)\n```\n"), Vec::<String>::new());
    }
}
