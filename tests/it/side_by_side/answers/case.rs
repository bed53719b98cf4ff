//! One request, as it is written in the tables.

use bytes::Bytes;
use destrier_testkit::AnswerTo;
use destrier_testkit::h2::Frame;
use http::{HeaderMap, Method, Request};

/// One request to one listener.
pub(super) struct Case {
    /// Unlike that of any other.
    pub(super) name: &'static str,
    pub(super) listener: &'static str,
    pub(super) sent: Sent,
}

/// What goes over the wire.
pub(super) enum Sent {
    /// HTTP/1, right or wrong.
    Text(Vec<u8>, AnswerTo),
    /// HTTP/2, from a client that knows how.
    Streams(Box<Request<Streamed>>),
    /// HTTP/2 on stream 1, right or wrong.
    Frames(Vec<Frame>),
}

/// A body with trailers, both perhaps empty.
#[derive(Clone, Default)]
pub(super) struct Streamed {
    pub(super) data: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

/// Writes the cases of a listener.
#[derive(Clone, Copy)]
pub(super) struct On(pub(super) &'static str);

impl On {
    /// Rows of a name, a method and target, and header lines with line feeds between them; a body may
    /// stand behind an empty line. Without a `host` in front it is `demo`.
    pub(super) fn rows(self, rows: &[(&'static str, &str, &str)]) -> Vec<Case> {
        rows.iter().map(|(name, line, rest)| self.with(name, line, rest)).collect()
    }

    /// One such row.
    pub(super) fn with(self, name: &'static str, line: &str, rest: &str) -> Case {
        let host = if rest.starts_with("host:") { "" } else { "host: demo\r\n" };
        let (headers, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        self.raw(name, format!("{line} HTTP/1.1\r\n{host}{headers}\r\n{body}"))
    }

    /// A GET without further headers.
    pub(super) fn get(self, name: &'static str, path: &str) -> Case {
        self.with(name, &format!("GET {path}"), "")
    }

    /// A request as it is on the wire.
    pub(super) fn raw(self, name: &'static str, request: impl Into<Vec<u8>>) -> Case {
        let request = request.into();
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        let method = Method::from_bytes(method).unwrap_or_default();
        let sent = Sent::Text(request, AnswerTo::method(&method));
        Case { name, listener: self.0, sent }
    }

    /// A row as a stream of HTTP/2. Header lines behind `trailers` are trailers.
    pub(super) fn stream(self, name: &'static str, line: &str, rest: &str, data: &str) -> Case {
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let mut request = Request::builder().method(method).uri(format!("http://demo{path}"));
        let (headers, trailers) = rest.split_once("trailers\n").unwrap_or((rest, ""));
        for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        let pairs = trailers.lines().filter_map(|line| line.split_once(": "));
        let trailers: HeaderMap = pairs
            .map(|(name, value)| {
                let name = name.parse().expect("a trailer's name in the tables");
                (name, value.parse().expect("a trailer's value in the tables"))
            })
            .collect();
        let data = Bytes::copy_from_slice(data.as_bytes());
        let body = Streamed { data, trailers: (!trailers.is_empty()).then_some(trailers) };
        let sent = Sent::Streams(Box::new(request.body(body).expect("a request in the tables")));
        Case { name, listener: self.0, sent }
    }

    /// Frames on stream 1.
    pub(super) fn frames(self, name: &'static str, frames: Vec<Frame>) -> Case {
        Case { name, listener: self.0, sent: Sent::Frames(frames) }
    }
}
