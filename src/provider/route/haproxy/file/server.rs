//! The words of a `server` line, behind those of `default-server`.

use std::time::Duration;

/// One server, as far as the review needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub checked: bool,
    pub inter: Option<Duration>,
    pub fast: Option<Duration>,
    pub fall: Option<u32>,
    pub check_port: Option<u16>,
    pub check_tls: bool,
    pub tls: bool,
    pub verified: bool,
    pub sends_proxy: bool,
    pub cookie: bool,
    pub backup: bool,
}

impl Server {
    /// Reads words in their order: later ones override earlier ones. Certificates count as verified where the line says
    /// so or names authorities: a global setting can switch it off for all others.
    pub fn new<'a>(words: impl Iterator<Item = &'a String>) -> Self {
        let mut server = Self::default();
        let mut words = words.map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                // Who tracks another server follows its checks.
                "check" => server.checked = true,
                "track" => server.checked = words.next().is_some(),
                "no-check" => server.checked = false,
                "inter" => server.inter = words.next().and_then(span),
                "fastinter" => server.fast = words.next().and_then(span),
                "fall" => server.fall = words.next().and_then(|w| w.parse().ok()),
                "port" => server.check_port = words.next().and_then(|w| w.parse().ok()),
                "check-ssl" => server.check_tls = true,
                "ssl" => server.tls = true,
                "no-ssl" => server.tls = false,
                "verify" => server.verified = words.next() == Some("required"),
                "ca-file" => server.verified = words.next().is_some(),
                "cookie" => server.cookie = words.next().is_some(),
                "backup" => server.backup = true,
                "send-proxy" | "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
                    server.sends_proxy = true
                }
                "no-send-proxy" | "no-send-proxy-v2" => server.sends_proxy = false,
                // Their value could be one of the words above.
                "weight" | "maxconn" | "sni" | "crt" | "id" | "addr" | "alpn" | "proto" | "rise" | "downinter"
                | "init-addr" | "resolvers" | "on-marked-down" | "on-marked-up" | "observe" | "verifyhost"
                | "check-sni" | "slowstart" | "maxqueue" | "source" => drop(words.next()),
                _ => {}
            }
        }
        server
    }
}

/// A time as HAProxy writes it: a number with its unit, milliseconds where there is none.
pub(super) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let micros = match unit {
        "us" => 1,
        "" | "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.checked_mul(micros).map(Duration::from_micros)
}
