//! Sends the request of a case, and tells in one line what came of it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use destrier_testkit::h2::RawH2;
use destrier_testkit::{AnswerTo, RawConn};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use regex::Regex;
use tokio::net::TcpStream;

use super::case::{Case, Sent, Streamed};
use super::log::Ports;
use crate::client::{frames, full, whole};

/// What came of a case, and the ports that stand in the log.
pub(super) struct Outcome {
    pub(super) answer: String,
    pub(super) ports: Ports,
}

/// How long a proxy may be silent; longer than any timeout of the tables.
const SILENCE: Duration = Duration::from_secs(2);

/// Sends a case to a proxy's listener.
pub(super) async fn exchange(to: SocketAddr, case: &Case) -> Result<Outcome> {
    let (client, answer) = match &case.sent {
        Sent::Text(request, answer_to) => {
            let mut connection = RawConn::connect(to).await?;
            connection.set_deadline(SILENCE);
            let client = connection.local_addr()?;
            let answer = match connection.send(request).await {
                Ok(()) => answers(&mut connection, *answer_to).await,
                Err(error) => Err(error),
            };
            (client, told(answer))
        }
        Sent::Streams(request) => {
            let stream = TcpStream::connect(to).await?;
            (stream.local_addr()?, streamed(stream, request).await)
        }
        Sent::Frames(frames) => {
            let mut connection = RawH2::connect(to).await?;
            connection.set_deadline(SILENCE);
            let sent = connection.send(frames).await;
            let outcome = match sent {
                Ok(()) => connection.outcome(1).await,
                Err(error) => Err(error),
            };
            let client = connection.into_conn().local_addr()?;
            (client, told(outcome.map(|outcome| format!("{outcome:?}"))))
        }
    };
    let answer = masked(&answer, to, client);
    Ok(Outcome { answer, ports: (to.port(), client.port()) })
}

/// An answer, and those that came before it. What switches protocols is the last of all.
async fn answers(connection: &mut RawConn, answer_to: AnswerTo) -> io::Result<String> {
    let mut all = String::new();
    loop {
        let answer = connection.read_response(answer_to).await?;
        let head = &answer.head;
        all.push_str(&shown(head.status, &head.headers, &answer.body, &answer.trailers));
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(all);
        }
        all.push_str(" before ");
    }
}

fn told(answer: io::Result<String>) -> String {
    answer.unwrap_or_else(|error| format!("{:?}: {error}", error.kind()))
}

async fn streamed(stream: TcpStream, request: &Request<Streamed>) -> String {
    match stream_answer(stream, request).await {
        Ok(answer) => answer,
        Err(error) => format!("{error:#}"),
    }
}

async fn stream_answer(stream: TcpStream, request: &Request<Streamed>) -> Result<String> {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = request.clone().map(|body| match body {
        Streamed { data, trailers: None } => full(data),
        Streamed { data, trailers: Some(trailers) } => {
            frames(vec![Frame::data(data), Frame::trailers(trailers)])
        }
    });
    let echoed = request.uri().path().ends_with("/echo");
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    let (body, trailers) = whole(http::Response::from_parts(head.clone(), body)).await?;
    if echoed {
        // Envoy tells it when the request has ended before the answer begins, which is a race here.
        head.headers.remove("x-envoy-upstream-service-time");
    }
    Ok(shown(head.status, &head.headers, &body, &trailers))
}

/// Status, headers, body and trailers; the order of headers means nothing (RFC 9110, 5.3).
fn shown(status: StatusCode, headers: &HeaderMap, body: &Bytes, trailers: &HeaderMap) -> String {
    let body = String::from_utf8_lossy(body).into_owned();
    let body = if body.contains(" HTTP/") { as_seen_by_the_backend(&body) } else { body };
    let mut shown = format!("{} {:?} {body:?}", status.as_u16(), sorted(headers));
    if !trailers.is_empty() {
        shown.push_str(&format!(" then {:?}", sorted(trailers)));
    }
    shown
}

fn sorted(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| {
            let value = match name.as_str() {
                "x-envoy-upstream-service-time" | "x-connection" => "*".into(),
                _ => String::from_utf8_lossy(value.as_bytes()),
            };
            format!("{name}: {value}")
        })
        .collect();
    lines.sort();
    lines
}

/// The request as the backend got it, in a form that can be compared.
fn as_seen_by_the_backend(body: &str) -> String {
    let mut lines: Vec<&str> = body.lines().collect();
    lines[1..].sort_unstable();
    lines.join(" | ")
}

/// The same without what differs from one run to the next.
pub(super) fn masked(text: &str, listener: SocketAddr, client: SocketAddr) -> String {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let masks = [
        (uuid.to_owned(), "UUID"),
        (r#"="[0-9a-f]{16}""#.to_owned(), "=COOKIE"),
        (format!(r"\b{}\b", listener.port()), "LISTENER"),
        (format!(r"\b{}\b", client.port()), "CLIENT"),
    ];
    masks.iter().fold(text.to_owned(), |text, (pattern, word)| {
        let pattern = Regex::new(pattern).expect("a pattern that is written here");
        pattern.replace_all(&text, *word).into_owned()
    })
}
