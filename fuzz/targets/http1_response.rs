//! A response that is accepted is written as one that reads the same.
#![no_main]

use bytes::BytesMut;
use destrier_http1::{
    AnswerTo, ConnectionOption, HeadLimits, HeadParser, ResponseHead, write_response_head,
};
use http::{HeaderMap, Version, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, bytes)) = input.split_first() else {
        return;
    };
    let kinds = [AnswerTo::Other, AnswerTo::Head, AnswerTo::Connect, AnswerTo::Upgrade];
    let request = kinds[usize::from(kind) % kinds.len()];
    let Some((head, _)) = parse(bytes, request, HeadLimits::default()) else {
        return;
    };
    let option = if head.keep_alive { ConnectionOption::Omit } else { ConnectionOption::Close };
    let mut written = BytesMut::new();
    let version = Version::HTTP_11;
    write_response_head(&mut written, version, head.status, &head.headers, head.body, option);
    written.extend_from_slice(b"BODY");
    // The writer adds headers of its own, which may be one too many for the reader's limits.
    let wide = HeadLimits { max_bytes: 1 << 20, max_headers: 1 << 12 };
    let (again, rest) = parse(&written, request, wide).expect("what is written is good");
    assert_eq!(&rest[..], b"BODY");
    assert_eq!(again.status, head.status);
    assert_eq!((again.body, again.tunnel), (head.body, head.tunnel));
    assert_eq!(again.keep_alive, head.keep_alive);
    assert_eq!(others(again.headers), others(head.headers));
});

fn parse(bytes: &[u8], request: AnswerTo, limits: HeadLimits) -> Option<(ResponseHead, BytesMut)> {
    let mut buf = BytesMut::from(bytes);
    let mut parser = HeadParser::new(limits);
    Some((parser.parse_response(&mut buf, request).ok()??, buf))
}

/// The headers but those that the writer makes itself.
fn others(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    headers
}
