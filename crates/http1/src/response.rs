//! The status line, and what a response's headers make of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};

use crate::fields::{self, Declared, Facts};
use crate::{AnswerTo, BodyLength, HeadError, ResponseHead};

/// Refuses what cannot become a status line.
pub(crate) fn check_beginning(buf: &[u8]) -> Result<(), HeadError> {
    const VERSION: &[u8] = b"HTTP/1.";
    let common = buf.len().min(VERSION.len());
    if buf[..common] == VERSION[..common] { Ok(()) } else { Err(HeadError::StartLine) }
}

/// Parses a whole head with `lines` header lines into `headers`, which is empty.
pub(crate) fn parse(
    head: &Bytes,
    lines: usize,
    request: AnswerTo,
    mut headers: HeaderMap,
) -> Result<ResponseHead, HeadError> {
    check_beginning(head)?;
    fields::with_slots(lines, |slots| {
        let mut parsed = httparse::Response::new(&mut []);
        let complete = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, head, slots)
            .map_err(classify)?
            .is_complete();
        let (Some(code), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(HeadError::StartLine);
        };
        if !complete {
            return Err(HeadError::StartLine);
        }
        let status = StatusCode::from_u16(code).map_err(|_| HeadError::StartLine)?;
        let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut facts = Facts::default();
        fields::collect(head, parsed.headers, &mut headers, |name, value| facts.note(name, value))?;
        let declared = facts.declared(version)?;
        let (body, tunnel) = framing(status, request, declared)?;
        // A body that must not be there may come all the same and would be read as the next answer.
        let unsafe_empty = body == BodyLength::Empty
            && !matches!(declared, Declared::Nothing | Declared::Length(0));
        Ok(ResponseHead {
            keep_alive: facts.keep_alive(version)
                && body != BodyLength::UntilClose
                && !unsafe_empty,
            status,
            version,
            headers,
            body,
            tunnel,
        })
    })
}

/// RFC 9112, 6.3; the flag says that HTTP ends here.
fn framing(
    status: StatusCode,
    request: AnswerTo,
    declared: Declared,
) -> Result<(BodyLength, bool), HeadError> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return match request {
            AnswerTo::Upgrade => Ok((BodyLength::UntilClose, true)),
            _ => Err(HeadError::UnexpectedSwitch),
        };
    }
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return Ok((BodyLength::Empty, false));
    }
    if request == AnswerTo::Connect && status.is_success() {
        return Ok((BodyLength::UntilClose, true));
    }
    if request == AnswerTo::Head || status == StatusCode::NOT_MODIFIED {
        return Ok((BodyLength::Omitted, false));
    }
    let body = match declared {
        Declared::Nothing => BodyLength::UntilClose,
        Declared::Length(length) => BodyLength::Length(length),
        Declared::Chunked => BodyLength::Chunked,
    };
    Ok((body, false))
}

fn classify(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::HeaderName,
        httparse::Error::HeaderValue => HeadError::HeaderValue,
        httparse::Error::Version => HeadError::Version,
        _ => HeadError::StartLine,
    }
}
