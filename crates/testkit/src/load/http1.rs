//! HTTP/1.1 load: the request's bytes are made once, an answer is read with as little as it takes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use destrier_http1::{
    AnswerTo, BodyDecoder, BodyLength, ConnectionOption, Decoded, HeadLimits, HeadParser, Target,
    write_request_head,
};
use http::header;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::pace::Pacer;
use super::{Failure, Load, Report};

/// The whole request.
pub(super) fn request_bytes(load: &Load) -> Bytes {
    let mut headers = load.headers.clone();
    headers.insert(header::HOST, load.host.clone());
    let body = match load.body.len() {
        0 => BodyLength::Empty,
        len => BodyLength::Length(len as u64),
    };
    let mut bytes = BytesMut::new();
    let option = match load.headers.get(header::CONNECTION) {
        Some(value) if value == "close" => ConnectionOption::Close,
        _ => ConnectionOption::Omit,
    };
    let target = Target::Path(&load.path);
    write_request_head(&mut bytes, &load.method, target, &headers, body, option);
    bytes.extend_from_slice(&load.body);
    bytes.freeze()
}

/// One worker: one connection at a time, renewed when it ends.
pub(super) async fn run(load: Load, request: Bytes, pacer: Arc<Pacer>) -> Report {
    let mut report = Report::default();
    let mut idle = None;
    while let Some(begin) = pacer.turn().await {
        let exchange = exchange(&load, &request, begin, &mut idle, &mut report);
        let outcome = timeout(load.timeout, exchange).await.unwrap_or(Err(Failure::Timeout));
        if let Err(failure) = outcome {
            report.note_failure(failure);
        }
    }
    report
}

struct Connection {
    stream: TcpStream,
    buf: BytesMut,
    heads: HeadParser,
}

impl Connection {
    async fn open(load: &Load) -> Result<Self, Failure> {
        let stream = TcpStream::connect(load.target).await.map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        let heads = HeadParser::new(HeadLimits::default());
        Ok(Self { stream, buf: BytesMut::with_capacity(16 * 1024), heads })
    }

    /// Reads what is there; 0 at the end.
    async fn fill(&mut self) -> usize {
        // A reset is an end like any other for who waits for an answer.
        self.stream.read_buf(&mut self.buf).await.unwrap_or(0)
    }
}

/// Sends one request and reads its answer. The connection is put back into `idle` if it can be used
/// again, so that whatever breaks off here also ends it.
async fn exchange(
    load: &Load,
    request: &[u8],
    begin: Instant,
    idle: &mut Option<Connection>,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut connection = match idle.take() {
        Some(connection) => connection,
        None => {
            let connection = Connection::open(load).await?;
            report.connections += 1;
            connection
        }
    };
    connection.stream.write_all(request).await.map_err(|_| Failure::Closed)?;
    let answer_to = AnswerTo::method(&load.method);
    let head = loop {
        let head = connection.heads.parse_response(&mut connection.buf, answer_to);
        match head.map_err(|_| Failure::Malformed)? {
            Some(head) if head.status.is_informational() => {}
            Some(head) => break head,
            None if connection.fill().await == 0 => return Err(Failure::Closed),
            None => {}
        }
    };
    read_body(&mut connection, head.body).await?;
    if head.keep_alive && !connection.buf.is_empty() {
        return Err(Failure::Malformed);
    }
    report.note_answer(load, head.status, &head.headers, begin.elapsed());
    if head.keep_alive {
        connection.heads.recycle(head.headers);
        *idle = Some(connection);
    }
    Ok(())
}

async fn read_body(connection: &mut Connection, length: BodyLength) -> Result<(), Failure> {
    let mut body = BodyDecoder::new(length);
    while !body.is_done() {
        match body.decode(&mut connection.buf).map_err(|_| Failure::Malformed)? {
            Decoded::NeedMore => {
                if connection.fill().await == 0 {
                    body.finish().map_err(|_| Failure::Truncated)?;
                }
            }
            Decoded::Data(_) | Decoded::Trailers(_) | Decoded::End => {}
        }
    }
    Ok(())
}
