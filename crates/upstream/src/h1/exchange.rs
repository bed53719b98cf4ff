//! One request and its response on a connection of a pool.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use destrier_http1::{
    AnswerTo, BodyLength, ConnectionOption, HeadError, HeadLimits, HeadParser, ResponseHead,
    Target, proper_case, remove_hop_by_hop_response, write_request_head,
};
use destrier_policy::{HeaderCase, HttpOptions};
use http::header::{CONTENT_LENGTH, HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

use super::pump::{Pump, Pumped, Writer};
use super::{IncomingBody, Reader, Trailers};
use crate::payload::Payload;
use crate::pool::{Ending, Lease};
use crate::retry::{Again, Failure};
use crate::{Body, BodyError, ForwardError, GoOn, TcpLease};

/// Interim responses (1xx) to one request; a host that sends more sends no answer at all.
const MAX_INTERIM: u32 = 100;

/// What is kept of an exchange until its response has been read: the connection's permit and whoever
/// still sends the request's body.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Gone when the connection went back or ended.
    lease: Option<Lease>,
    pump: Option<Pump>,
    reusable: bool,
}

/// Sends the request and returns at the response's head. The request's headers are gone then: their memory
/// stays with the connection.
///
/// # Errors
/// Why there is no response, and whether the request may be sent again.
pub(crate) async fn exchange(
    mut reader: Reader,
    mut lease: Lease,
    head: &mut http::request::Parts,
    payload: &mut Payload,
    options: &HttpOptions,
) -> Result<Response<Body>, Failure> {
    let reused = !lease.is_fresh();
    lease.begin();
    let spare = lease.take_spare();
    let mut exchange = Exchange { lease: Some(lease), pump: None, reusable: true };
    let answer_to = answer_to(head);
    let sent = exchange.send(&reader, head, payload, options).await;
    let received = match sent {
        // Whatever the host says before it closes counts; a broken pipe is read as its end.
        Ok(()) | Err(Unsent::Partly) => {
            let go_on = head.extensions.get();
            exchange.receive(&mut reader, answer_to, go_on, options, spare).await
        }
        Err(Unsent::Entirely) => Err(Missing::Ended { untouched: true }),
    };
    match received {
        Ok(response) => {
            exchange.keep_spare(std::mem::take(&mut head.headers));
            Ok(exchange.respond(reader, response, options))
        }
        Err(missing) => {
            drop(reader);
            Err(exchange.fail(missing, reused))
        }
    }
}

/// The head could not be written.
enum Unsent {
    /// Not a byte of it went out.
    Entirely,
    Partly,
}

/// Why there is no response.
enum Missing {
    /// The connection ended before the first byte of it, or within it.
    Ended {
        /// Nothing of a response had come.
        untouched: bool,
    },
    Malformed(HeadError),
    /// One interim response after another.
    TooManyInterim,
    RequestBody(BodyError),
}

impl Exchange {
    /// Writes the head, and the body with it if that is at hand; else a task begins to write it.
    async fn send(
        &mut self,
        reader: &Reader,
        head: &http::request::Parts,
        payload: &mut Payload,
        options: &HttpOptions,
    ) -> Result<(), Unsent> {
        let (length, first) = match &*payload {
            Payload::AtHand(bytes) => (whole_length(head, bytes), bytes.clone()),
            Payload::Streaming { first, body } => {
                let rest = body.size_hint().exact();
                let length = rest.map(|rest| rest + first.len() as u64);
                (length.map_or(BodyLength::Chunked, BodyLength::Length), Bytes::new())
            }
            Payload::Spent => (BodyLength::Empty, Bytes::new()),
        };
        let mut bytes = written(head, length);
        if options.http1.header_case == HeaderCase::ProperWords {
            proper_case(&mut bytes);
        }
        let mut out = bytes.chain(first);
        let whole = out.remaining();
        let written = reader.stream().write_all(&mut out).await;
        if let Some(lease) = &self.lease {
            let sent = (whole - out.remaining()) as u64;
            lease.cluster().stats().upstream_cx_tx_bytes_total.add(sent);
        }
        if written.is_err() {
            let untouched = out.remaining() == whole;
            return Err(if untouched { Unsent::Entirely } else { Unsent::Partly });
        }
        if let Payload::Streaming { first, body } = payload {
            let (first, body) = (std::mem::take(first), std::mem::take(body));
            let trailers = trailers(options);
            *payload = Payload::Spent;
            if let Some(lease) = &self.lease {
                let (stream, cluster) = (reader.stream().clone(), lease.cluster().clone());
                let writer = Writer { stream, cluster, length, trailers };
                self.pump = Some(Pump::start(writer, first, body));
            }
        }
        Ok(())
    }

    /// Reads the response's head. Interim responses (1xx) are dropped, but for a `100` that the client
    /// waits for.
    async fn receive(
        &mut self,
        reader: &mut Reader,
        answer_to: AnswerTo,
        go_on: Option<&GoOn>,
        options: &HttpOptions,
        spare: HeaderMap,
    ) -> Result<ResponseHead, Missing> {
        let mut parser = HeadParser::new(HeadLimits {
            max_bytes: options.max_response_headers_kb as usize * 1024,
            max_headers: options.max_headers_count as usize,
        });
        parser.recycle(spare);
        let mut untouched = true;
        let mut interim = 0;
        loop {
            match parser.parse_response(reader.buffer(), answer_to) {
                Ok(Some(head)) if head.status.is_informational() && !head.tunnel => {
                    if head.status == StatusCode::CONTINUE {
                        go_on.inspect(|go_on| go_on.say());
                    }
                    interim += 1;
                    if interim > MAX_INTERIM {
                        return Err(Missing::TooManyInterim);
                    }
                }
                Ok(Some(head)) => return Ok(head),
                Ok(None) => match self.fill(reader).await? {
                    Ok(count @ 1..) => {
                        self.received(count);
                        untouched = false;
                    }
                    Ok(0) | Err(_) => return Err(Missing::Ended { untouched }),
                },
                Err(error) => return Err(Missing::Malformed(error)),
            }
        }
    }

    /// Reads once, and hears of it when the request's own body fails meanwhile.
    async fn fill(&mut self, reader: &mut Reader) -> Result<io::Result<usize>, Missing> {
        poll_fn(|cx| {
            if let Some(pump) = &mut self.pump
                && let Poll::Ready(Pumped::BodyFailed(error)) = pump.poll_done(cx)
            {
                return Poll::Ready(Err(Missing::RequestBody(error)));
            }
            reader.poll_fill(cx).map(Ok)
        })
        .await
    }

    fn respond(
        mut self,
        mut reader: Reader,
        head: ResponseHead,
        options: &HttpOptions,
    ) -> Response<Body> {
        self.reusable = head.keep_alive;
        let body = if head.tunnel {
            self.tunnel(reader)
        } else {
            match head.body {
                BodyLength::Empty | BodyLength::Omitted | BodyLength::Length(0) => {
                    self.end(reader, &mut Context::from_waker(std::task::Waker::noop()));
                    Body::empty()
                }
                BodyLength::Length(length) if reader.buffer().len() as u64 >= length => {
                    // It came with the head: the connection is free before the body is passed on.
                    let bytes = reader.buffer().split_to(length as usize).freeze();
                    self.end(reader, &mut Context::from_waker(std::task::Waker::noop()));
                    Body::full(bytes)
                }
                length => IncomingBody::response(reader, length, trailers(options), self).into(),
            }
        };
        // Whatever the host speaks, on this side of it the message is HTTP/1.1.
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        if !head.tunnel {
            remove_hop_by_hop_response(response.headers_mut());
        }
        response
    }

    fn tunnel(mut self, reader: Reader) -> Body {
        match self.lease.take() {
            Some(lease) => Body::tunnel(TcpLease::switched(reader, lease)),
            None => Body::empty(),
        }
    }

    fn fail(mut self, missing: Missing, reused: bool) -> Failure {
        let (error, again, ending) = match missing {
            Missing::Ended { untouched } => {
                // A connection that ends before it answers anything was closed for being idle.
                let again = match (reused && untouched, &self.pump) {
                    (true, None) => Again::Idempotent,
                    _ => Again::Never,
                };
                (ForwardError::ConnectionTermination, again, Ending::Remote)
            }
            Missing::Malformed(error) => {
                (ForwardError::Protocol(error.to_string()), Again::Never, Ending::Protocol)
            }
            Missing::TooManyInterim => {
                let error = format!("more than {MAX_INTERIM} interim responses");
                (ForwardError::Protocol(error), Again::Never, Ending::Protocol)
            }
            Missing::RequestBody(error) => {
                (ForwardError::RequestBody(error), Again::Never, Ending::Cancelled)
            }
        };
        self.end_lease(ending);
        Failure { error, again }
    }

    /// The response is complete. The connection goes back if the request is, too, and nothing stands
    /// behind the response; a response before the end of its request closes it, as in Envoy.
    pub(super) fn end(&mut self, mut reader: Reader, cx: &mut Context<'_>) {
        let sent = match &mut self.pump {
            Some(pump) => matches!(pump.poll_done(cx), Poll::Ready(Pumped::All)),
            None => true,
        };
        if self.reusable && sent && reader.is_empty() {
            self.pump = None;
            reader.shrink();
            if let Some(lease) = self.lease.take() {
                lease.give_back(reader);
            }
        } else {
            drop(reader);
            self.end_lease(if !sent {
                Ending::Cancelled
            } else if self.reusable {
                Ending::Done
            } else {
                Ending::Notified
            });
        }
    }

    fn keep_spare(&mut self, headers: HeaderMap) {
        if let Some(lease) = &mut self.lease {
            lease.keep_spare(headers);
        }
    }

    pub(super) fn received(&self, count: usize) {
        if let Some(lease) = &self.lease {
            lease.cluster().stats().upstream_cx_rx_bytes_total.add(count as u64);
        }
    }

    /// The connection is given up; its reading side is dropped already.
    pub(super) fn abort(&mut self, ending: Ending) {
        self.end_lease(ending);
    }

    fn end_lease(&mut self, ending: Ending) {
        // The task that writes has the socket, too: closed now, not when the task is.
        if let Some(pump) = self.pump.take() {
            pump.cut();
        }
        if let Some(lease) = self.lease.take() {
            lease.end(ending);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end_lease(Ending::Cancelled);
    }
}

fn trailers(options: &HttpOptions) -> Trailers {
    if options.http1.enable_trailers { Trailers::Keep } else { Trailers::Drop }
}

fn answer_to(head: &http::request::Parts) -> AnswerTo {
    if head.headers.contains_key(UPGRADE) {
        AnswerTo::Upgrade
    } else {
        AnswerTo::method(&head.method)
    }
}

/// The framing of a body that is at hand. A method that has one by nature says so when it is empty.
fn whole_length(head: &http::request::Parts, bytes: &Bytes) -> BodyLength {
    let expected = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    if bytes.is_empty() && !expected && !head.headers.contains_key(CONTENT_LENGTH) {
        BodyLength::Empty
    } else {
        BodyLength::Length(bytes.len() as u64)
    }
}

/// The request's head as bytes.
fn written(head: &http::request::Parts, length: BodyLength) -> BytesMut {
    /// Most heads fit.
    const USUAL: usize = 1024;
    let mut out = BytesMut::with_capacity(USUAL);
    let connection = match head.headers.contains_key(UPGRADE) {
        true => ConnectionOption::Upgrade,
        false => ConnectionOption::Omit,
    };
    let root = http::uri::PathAndQuery::from_static("/");
    let target = match head.uri.authority() {
        Some(authority) if head.method == Method::CONNECT => Target::Authority(authority),
        _ => Target::Path(head.uri.path_and_query().unwrap_or(&root)),
    };
    // HTTP/2 requests have the host in their target only.
    let host = head.uri.authority().filter(|_| !head.headers.contains_key(HOST));
    match host.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        Some(host) => {
            let mut headers = head.headers.clone();
            headers.insert(HOST, host);
            write_request_head(&mut out, &head.method, target, &headers, length, connection);
        }
        None => {
            write_request_head(&mut out, &head.method, target, &head.headers, length, connection);
        }
    }
    out
}
