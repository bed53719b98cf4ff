//! A request that is accepted is written as one that reads the same, and reads the same in pieces.
#![no_main]

use bytes::BytesMut;
use destrier_http1::{
    ConnectionOption, HeadError, HeadLimits, HeadParser, RequestHead, Target, write_request_head,
};
use http::{HeaderMap, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&at, bytes)) = input.split_first() else {
        return;
    };
    let limits = HeadLimits { max_bytes: 2048, max_headers: 10 };
    let whole = parse(&[bytes], limits);
    let (before, after) = bytes.split_at(bytes.len().min(at.into()));
    let in_pieces = parse(&[before, after], limits);
    // Which of two faults is seen first may differ, what is accepted may not.
    assert_eq!(in_pieces.is_err(), whole.is_err());
    let Ok(Some((head, _))) = whole else {
        return;
    };
    let target = match head.uri.path_and_query() {
        Some(path) => Target::Path(path),
        None => Target::Authority(head.uri.authority().expect("a target is one or the other")),
    };
    let option = if head.upgrade {
        ConnectionOption::Upgrade
    } else if head.keep_alive {
        ConnectionOption::Omit
    } else {
        ConnectionOption::Close
    };
    let mut written = BytesMut::new();
    write_request_head(&mut written, &head.method, target, &head.headers, head.body, option);
    written.extend_from_slice(b"BODY");
    let (again, rest) = parse(&[&written], HeadLimits::default())
        .expect("what is written is good")
        .expect("and complete");
    assert_eq!(&rest[..], b"BODY");
    assert_eq!(again.method, head.method);
    assert_eq!(again.uri.path_and_query(), head.uri.path_and_query());
    assert_eq!(again.body, head.body);
    assert_eq!(others(again.headers), others(head.headers));
});

fn parse(
    pieces: &[&[u8]],
    limits: HeadLimits,
) -> Result<Option<(RequestHead, BytesMut)>, HeadError> {
    let mut parser = HeadParser::new(limits);
    let mut buf = BytesMut::new();
    let mut parsed = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        if parsed.is_none() {
            parsed = parser.parse_request(&mut buf)?;
        }
    }
    Ok(parsed.map(|head| (head, buf)))
}

/// The headers but those that the writer makes itself.
fn others(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    headers
}
