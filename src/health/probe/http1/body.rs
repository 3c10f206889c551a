//! Where a body ends: after its length, after its last chunk, or with the connection (RFC 9112, section 6.3). Pure.

use http::StatusCode;

/// How long a chunk's length may be, with its extensions.
const MAX_LINE: usize = 256;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// In chunks.
    Chunks,
    /// With the connection.
    Close,
}

/// What has been read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// All of it.
    Whole,
    /// There is more to come.
    More,
    /// It is not of that framing.
    Broken,
}

impl Framing {
    /// The framing of an answer to a `GET`; `None` where its length is no number.
    pub(super) fn of(status: StatusCode, encoding: Option<&[u8]>, length: Option<&[u8]>) -> Option<Self> {
        if status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Some(Self::Length(0));
        }
        match (encoding, length) {
            (Some(encoding), _) if encoding.trim_ascii().to_ascii_lowercase().ends_with(b"chunked") => {
                Some(Self::Chunks)
            }
            (Some(_), _) | (None, None) => Some(Self::Close),
            (None, Some(length)) => str::from_utf8(length).ok()?.trim().parse().ok().map(Self::Length),
        }
    }

    /// How much of the body is in `bytes`, which begin with it; `ended` says that nothing more will come.
    pub(super) fn read(self, bytes: &[u8], ended: bool) -> Body {
        match self {
            Self::Length(length) => match usize::try_from(length) {
                Ok(length) if bytes.len() >= length => Body::Whole,
                _ => Body::More,
            },
            Self::Close if ended => Body::Whole,
            Self::Close => Body::More,
            Self::Chunks => chunks(bytes, |_| {}),
        }
    }

    /// The content of what has been read so far, without the lengths of chunks.
    pub(super) fn content(self, bytes: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        match self {
            Self::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
                content.extend_from_slice(bytes.get(..length).unwrap_or_default());
            }
            Self::Close => content.extend_from_slice(bytes),
            Self::Chunks => {
                chunks(bytes, |chunk| content.extend_from_slice(chunk));
            }
        }
        content
    }
}

/// Goes through the chunks that are there.
fn chunks<'b>(bytes: &'b [u8], mut each: impl FnMut(&'b [u8])) -> Body {
    let mut rest = bytes;
    loop {
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) if rest.len() < MAX_LINE => return Body::More,
            _ => return Body::Broken,
        };
        rest = rest.get(line..).unwrap_or_default();
        if size == 0 {
            // What may follow, trailers and an empty line, says nothing about readiness.
            return Body::Whole;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        each(rest.get(..size.min(rest.len())).unwrap_or_default());
        // The chunk is followed by the end of a line.
        match size.checked_add(2).and_then(|n| rest.get(n..)) {
            Some(after) if rest.get(size..).is_some_and(|r| r.starts_with(b"\r\n")) => rest = after,
            Some(_) => return Body::Broken,
            None => return Body::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, encoding: Option<&str>, length: Option<&str>) -> Option<Framing> {
        let status = StatusCode::from_u16(status).expect("a status");
        Framing::of(status, encoding.map(str::as_bytes), length.map(str::as_bytes))
    }

    #[test]
    fn the_framing_is_what_the_head_says() {
        assert_eq!(of(200, None, Some("12")), Some(Framing::Length(12)));
        assert_eq!(of(200, Some("gzip, Chunked"), Some("12")), Some(Framing::Chunks));
        assert_eq!(of(200, Some("gzip"), Some("12")), Some(Framing::Close));
        assert_eq!(of(200, None, None), Some(Framing::Close));
        assert_eq!(of(204, None, Some("12")), Some(Framing::Length(0)));
        assert_eq!(of(200, None, Some("-1")), None);
        assert_eq!(of(200, None, Some("twelve")), None);
    }

    #[test]
    fn chunks_are_followed_wherever_they_are_cut() {
        let whole = b"4\r\nWiki\r\n6;x=y\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n";
        let end = whole.len() - 2;
        for cut in 0..end {
            assert_eq!(Framing::Chunks.read(&whole[..cut], false), Body::More, "{cut}");
        }
        assert_eq!(Framing::Chunks.read(whole, false), Body::Whole);
        assert_eq!(Framing::Chunks.content(whole), b"Wikipedia in \r\n\r\nchunks.");
        assert_eq!(Framing::Chunks.content(&whole[..6]), b"Wik");
        for broken in [&b"no\r\n"[..], b"2\r\nokay\r\n", b"ffffffffffffffffff\r\n", &[b'0'; 300]] {
            assert_eq!(Framing::Chunks.read(broken, false), Body::Broken, "{broken:?}");
        }
    }

    #[test]
    fn a_length_or_the_end_is_waited_for() {
        assert_eq!(Framing::Length(3).read(b"ab", true), Body::More);
        assert_eq!(Framing::Length(3).read(b"abcd", false), Body::Whole);
        assert_eq!(Framing::Length(3).content(b"abcd"), b"abc");
        assert_eq!(Framing::Length(u64::MAX).read(b"ab", true), Body::More);
        assert_eq!(Framing::Close.read(b"ab", false), Body::More);
        assert_eq!(Framing::Close.read(b"ab", true), Body::Whole);
    }
}
