//! Names as people write them: relative to the zone or full, as in a zone file.
//!
//! A name that ends with a dot, or that lies in the zone as it stands, is full; every other one is completed with the
//! zone. Letters outside ASCII are for the registrar: what is in a zone is ASCII.

use hickory_proto::rr::Name;

/// Reads a full name, with or without its last dot.
pub(crate) fn full(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text:?} is no name: {error}"))?;
    if text.is_empty() || text.starts_with('.') && text != "." {
        return Err(format!("{text:?} is no name"));
    }
    name.set_fqdn(true);
    Ok(name)
}

/// Reads a name of a zone: full, or relative to it; `@` is the zone itself.
pub(crate) fn within(text: &str, zone: &Name) -> Result<Name, String> {
    if text == "@" {
        return Ok(zone.clone());
    }
    let name = full(text)?;
    if text.ends_with('.') || zone.zone_of(&name) {
        return Ok(name);
    }
    let mut relative = name;
    relative.set_fqdn(false);
    let mut name = relative.append_domain(zone).map_err(|error| format!("{text:?} in {zone}: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// A name for people: without the last dot, in small letters.
pub(crate) fn plain(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    if text == "." { text } else { text.trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_and_full_names() {
        let zone = full("lab.example").expect("a zone");
        for (text, expected) in [
            ("app", "app.lab.example."),
            ("app.lab.example", "app.lab.example."),
            ("app.lab.example.", "app.lab.example."),
            ("App.LAB.example", "App.LAB.example."),
            ("_https._tcp.app", "_https._tcp.app.lab.example."),
            ("a.b", "a.b.lab.example."),
            ("elsewhere.net.", "elsewhere.net."),
            ("notlab.example", "notlab.example.lab.example."),
            ("@", "lab.example."),
            ("*", "*.lab.example."),
        ] {
            assert_eq!(within(text, &zone).map(|n| n.to_ascii()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_name() {
        let zone = full("lab.example.").expect("a zone");
        let long = "a".repeat(64);
        for text in ["", "..", ".app", "a..b", "a b", "ä", long.as_str()] {
            assert!(within(text, &zone).is_err(), "{text}");
        }
        assert!(within(&["abcdefg"; 32].join("."), &zone).is_err(), "too long with the zone behind it");
    }

    #[test]
    fn names_for_people() {
        assert_eq!(full("NS1.Lab.Example.").map(|n| plain(&n)).as_deref(), Ok("ns1.lab.example"));
        assert_eq!(full(".").map(|n| plain(&n)).as_deref(), Ok("."));
    }
}
