//! The request line, and what a request's headers make of it.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version};
use memchr::{memchr, memmem};

use crate::fields::{self, Declared, Facts};
use crate::host::is_host;
use crate::{BodyLength, HeadError, RequestHead};

/// Methods beside those that have a constant in `http`: the list of Envoy's codec, and `M-SEARCH` as
/// it is registered. Anything else is a typing error or an attempt to say something twice.
const MORE_METHODS: [&str; 26] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// No method is longer.
const MAX_METHOD: usize = 11;

/// Refuses what cannot become a request line, so that a peer that speaks something else (TLS, say)
/// need not be waited for.
pub(crate) fn check_beginning(buf: &[u8]) -> Result<(), HeadError> {
    let method = buf.split(|&byte| byte == b' ').next().unwrap_or_default();
    // A line end still to come may be an empty line before the request.
    let possible =
        method.len() <= MAX_METHOD && method.iter().all(|b| b.is_ascii_uppercase() || *b == b'-');
    if possible || buf == b"\r" { Ok(()) } else { Err(HeadError::Method) }
}

/// Parses a whole head with `lines` header lines into `headers`, which is empty.
pub(crate) fn parse(
    head: &Bytes,
    lines: usize,
    mut headers: HeaderMap,
) -> Result<RequestHead, HeadError> {
    fields::with_slots(lines, |slots| {
        let mut parsed = httparse::Request::new(&mut []);
        let complete = parsed
            .parse_with_uninit_headers(head, slots)
            .map_err(|error| classify(error, head))?
            .is_complete();
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadError::StartLine);
        };
        if !complete {
            return Err(HeadError::StartLine);
        }
        let method = parse_method(method.as_bytes())?;
        let uri = parse_target(&method, head.slice_ref(target.as_bytes()))?;
        let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut facts = Facts::default();
        fields::collect(head, parsed.headers, &mut headers, |name, value| facts.note(name, value))?;
        Ok(RequestHead {
            body: body_length(&method, facts.declared(version)?)?,
            keep_alive: facts.keep_alive(version),
            expect_continue: facts.expect_continue(version),
            upgrade: facts.upgrade(version) && method != Method::CONNECT,
            method,
            uri,
            version,
            headers,
        })
    })
}

fn body_length(method: &Method, declared: Declared) -> Result<BodyLength, HeadError> {
    if method == Method::CONNECT {
        // What follows belongs to the tunnel (RFC 9110, 9.3.6); Envoy refuses the rest as well.
        return match declared {
            Declared::Nothing | Declared::Length(0) => Ok(BodyLength::Empty),
            Declared::Length(_) => Err(HeadError::BodyDisallowed),
            Declared::Chunked => Err(HeadError::TransferEncoding),
        };
    }
    Ok(match declared {
        Declared::Nothing => BodyLength::Empty,
        Declared::Length(length) => BodyLength::Length(length),
        Declared::Chunked => BodyLength::Chunked,
    })
}

fn parse_method(method: &[u8]) -> Result<Method, HeadError> {
    let method = Method::from_bytes(method).map_err(|_| HeadError::Method)?;
    match method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS
        | Method::CONNECT
        | Method::PATCH
        | Method::TRACE => Ok(method),
        _ if MORE_METHODS.contains(&method.as_str()) => Ok(method),
        _ => Err(HeadError::Method),
    }
}

/// RFC 9112, 3.2: each method allows certain forms of target.
fn parse_target(method: &Method, target: Bytes) -> Result<Uri, HeadError> {
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(HeadError::Target);
    }
    // `http::Uri` would drop it in silence.
    if memchr(b'#', &target).is_some() {
        return Err(HeadError::Fragment);
    }
    if target.first() != Some(&b'/') && *method != Method::CONNECT {
        check_url(method, &target)?;
    }
    let uri = Uri::from_maybe_shared(target).map_err(|_| HeadError::Target)?;
    let host_is_good = match uri.authority() {
        Some(authority) => !authority.as_str().is_empty() && is_host(authority.as_str().as_bytes()),
        None => true,
    };
    let form_is_good = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(_)) => method != Method::CONNECT,
        (Some(_), _) => false,
        (None, Some(authority)) => method == Method::CONNECT && authority.port_u16().is_some(),
        (None, None) if uri.path() == "*" => method == Method::OPTIONS && uri.query().is_none(),
        (None, None) => method != Method::CONNECT && uri.path().starts_with('/'),
    };
    if !host_is_good || !form_is_good {
        return Err(HeadError::Target);
    }
    match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('?') => with_root_path(uri),
        _ => Ok(uri),
    }
}

/// Refuses what Envoy's parser takes for a target and its codec does not.
fn check_url(method: &Method, target: &[u8]) -> Result<(), HeadError> {
    if target.starts_with(b"*") && *method != Method::OPTIONS {
        return Err(HeadError::Url);
    }
    let Some(colon) = memmem::find(target, b"://") else { return Ok(()) };
    let (scheme, behind) = (&target[..colon], &target[colon + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let is_known =
        [b"http" as &[u8], b"https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    match behind.first() {
        _ if !is_scheme => Ok(()),
        None | Some(b'/' | b'?') => Err(HeadError::Url),
        Some(_) if !is_known => Err(HeadError::Scheme),
        Some(_) => Ok(()),
    }
}

/// `http://host?query` asks for `/?query` (RFC 9112, 3.2.1).
fn with_root_path(uri: Uri) -> Result<Uri, HeadError> {
    let mut parts = uri.into_parts();
    let query = parts.path_and_query.as_ref().map_or("", PathAndQuery::as_str);
    parts.path_and_query =
        Some(PathAndQuery::try_from(format!("/{query}")).map_err(|_| HeadError::Target)?);
    Uri::from_parts(parts).map_err(|_| HeadError::Target)
}

/// Gives a parser's error the name of what is wrong.
fn classify(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::HeaderName,
        httparse::Error::HeaderValue => HeadError::HeaderValue,
        httparse::Error::Version | httparse::Error::Token => classify_line(head),
        _ => HeadError::StartLine,
    }
}

fn classify_line(head: &[u8]) -> HeadError {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut parts = line.split(|&byte| byte == b' ');
    let method = parts.next().unwrap_or_default();
    if parse_method(method).is_err() {
        return HeadError::Method;
    }
    match (parts.next(), parts.next(), parts.next()) {
        // HTTP/0.9 had no version.
        (Some([b'/', ..]), None, None) => HeadError::Version,
        (Some(target), _, _) if !target.iter().all(u8::is_ascii_graphic) => HeadError::Target,
        (Some([_, ..]), Some(version), None) if is_other_version(version) => HeadError::Version,
        _ => HeadError::StartLine,
    }
}

fn is_other_version(version: &[u8]) -> bool {
    match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}
