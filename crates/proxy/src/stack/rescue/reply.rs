//! From a local reply to a response.

use destrier_upstream::{Body, ResponseFlag};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::grpc::{self, AnswerForm};
use super::refusal::LocalReply;
use super::wording::reword;
use crate::exchange::{AfterAnswer, Exchange};
use crate::stack::sanitize;

/// Makes the response and notes in the exchange why it was made.
pub(crate) fn reply(
    exchange: &mut Exchange,
    form: AnswerForm,
    mut reply: LocalReply,
) -> Response<Body> {
    // A fault of the protocol is noted behind the answer that tells it, as in Envoy.
    let of_protocol = reply.flag.take_if(|flag| *flag == ResponseFlag::DPE);
    exchange.flags.extend(reply.flag);
    exchange.details = std::mem::take(&mut reply.details);
    if reply.after == AfterAnswer::Close {
        exchange.after = AfterAnswer::Close;
    }
    let content_type = match exchange.scope.policy.local_replies.is_empty() {
        true => None,
        false => reword(exchange, &mut reply),
    };
    exchange.flags.extend(of_protocol);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = reply.status;
    if let Some(headers) = reply.headers {
        *response.headers_mut() = *headers;
    }
    let headers = response.headers_mut();
    if let Some((name, value)) = reply.header {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match form {
        AnswerForm::Grpc => {
            let status = reply.grpc_status.unwrap_or_else(|| grpc::grpc_code(reply.status));
            // The line feed behind JSON is none of a message; that of a text is.
            let is_json = content_type.is_some_and(|kind| kind == "application/json");
            let ending: &[u8] = if is_json { b"\n" } else { b"" };
            let message = reply.body.strip_suffix(ending).unwrap_or(&reply.body);
            grpc::write(headers, status, message);
            *response.status_mut() = StatusCode::OK;
        }
        AnswerForm::Http if reply.body.is_empty() => {}
        AnswerForm::Http => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
            match content_type {
                Some(kind) => drop(headers.insert(CONTENT_TYPE, kind)),
                // A route may say what its body is.
                None => {
                    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
                }
            }
            *response.body_mut() = Body::full(reply.body);
        }
    }
    sanitize::stamp(exchange, &mut response);
    response
}
