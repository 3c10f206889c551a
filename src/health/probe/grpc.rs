//! gRPC's own health check, `grpc.health.v1.Health/Check`: a request with the name of a service, an answer with one
//! number, 1 for serving. Both messages have a single field, so they are written and read by hand
//! (<https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto>).

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Failure, Kind,
    http2::{Answer, exchange, request},
};

const PATH: &str = "/grpc.health.v1.Health/Check";
/// The longest name whose length fits into one byte of its message.
const MAX_NAME: usize = 120;
/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A health check of one service.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    request: Request<()>,
    message: Bytes,
}

impl HealthCheck {
    /// Asks for this service; empty is the whole server.
    pub(super) fn new(service: &str, host: &str, tls: bool) -> Result<Self, Failure> {
        let unfit = |why: String| Failure::new(Kind::Protocol, format!("cannot ask {host} for {service:?}: {why}"));
        if service.len() > MAX_NAME {
            return Err(unfit("the name is too long".into()));
        }
        let request = request("POST", PATH, host, tls)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .map_err(|e| unfit(e.to_string()))?;
        Ok(Self { request, message: message(service) })
    }

    pub(super) async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
        judge(&exchange(stream, self.request.clone(), Some(self.message.clone())).await?)
    }
}

/// `HealthCheckRequest { service: 1 }` with its prefix; an empty field is left out.
fn message(service: &str) -> Bytes {
    let mut message = BytesMut::with_capacity(PREFIX + 2 + service.len());
    let length = if service.is_empty() { 0 } else { service.len() + 2 };
    message.put_u8(0);
    message.put_u32(length as u32);
    if !service.is_empty() {
        message.put_u8(0x0a);
        message.put_u8(service.len() as u8);
        message.put_slice(service.as_bytes());
    }
    message.freeze()
}

fn judge(answer: &Answer) -> Result<(), Failure> {
    if answer.status != 200 {
        return Err(Failure::new(Kind::Status, format!("status {}", answer.status)));
    }
    // An answer without a message has its status among the headers.
    let field = |name: &str| answer.trailers.get(name).or_else(|| answer.headers.get(name));
    let status = field("grpc-status").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u32>().ok());
    match status {
        Some(0) => {}
        Some(status) => {
            let name = CODES.get(status as usize).copied().unwrap_or("unknown to gRPC");
            return Err(Failure::new(Kind::Status, format!("gRPC status {status} ({name})")));
        }
        None => return Err(Failure::new(Kind::Protocol, "no gRPC: the answer has no grpc-status")),
    }
    match serving(&answer.body) {
        Some(1) => Ok(()),
        Some(0) => Err(Failure::new(Kind::Status, "it says UNKNOWN")),
        Some(2) => Err(Failure::new(Kind::Status, "it says NOT_SERVING")),
        Some(3) => Err(Failure::new(Kind::Status, "it says SERVICE_UNKNOWN")),
        Some(other) => Err(Failure::new(Kind::Status, format!("it says {other}, which is not SERVING"))),
        None => Err(Failure::new(Kind::Protocol, "no gRPC: the answer is no HealthCheckResponse")),
    }
}

/// `HealthCheckResponse { status: 1 }` behind its prefix; an absent field is 0.
fn serving(body: &[u8]) -> Option<u64> {
    let (prefix, rest) = body.split_at_checked(PREFIX)?;
    let [0, length @ ..] = prefix else { return None };
    let length = u32::from_be_bytes(length.try_into().ok()?);
    match rest.get(..usize::try_from(length).ok()?)? {
        [] => Some(0),
        [0x08, status @ 0..=0x7f] => Some(u64::from(*status)),
        _ => None,
    }
}

/// Names of gRPC's status codes, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn told(status: u16, grpc: Option<&str>, body: &'static [u8]) -> String {
        let mut trailers = HeaderMap::new();
        if let Some(code) = grpc {
            trailers.insert("grpc-status", code.parse().expect("a value"));
        }
        let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::from_static(body), trailers };
        judge(&answer).map_or_else(|f| format!("{}: {f}", f.kind), |()| "ready".into())
    }

    #[test]
    fn the_request_is_one_field_with_its_prefix() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("app")[..], [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'p', b'p']);
        assert!(HealthCheck::new(&"x".repeat(121), "h", false).is_err());
    }

    #[test]
    fn only_serving_is_ready() {
        assert_eq!(told(200, Some("0"), &[0, 0, 0, 0, 2, 8, 1]), "ready");
        assert_eq!(told(200, Some("0"), &[0, 0, 0, 0, 2, 8, 2]), "status: it says NOT_SERVING");
        assert_eq!(told(200, Some("0"), &[0, 0, 0, 0, 0]), "status: it says UNKNOWN");
        assert_eq!(told(200, Some("5"), &[]), "status: gRPC status 5 (NOT_FOUND)");
        assert_eq!(told(503, Some("0"), &[0, 0, 0, 0, 2, 8, 1]), "status: status 503");
        assert!(told(200, None, &[0, 0, 0, 0, 2, 8, 1]).starts_with("protocol: "));
        for broken in [&[][..], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 9, 8, 1], &[0, 0, 0, 0, 2, 16, 1]] {
            assert!(told(200, Some("0"), broken).starts_with("protocol: "), "{broken:?}");
        }
    }
}
