//! Properties that hold for every message: nothing read twice, nothing lost, nothing smuggled.

use bytes::BytesMut;
use destrier_http1::{
    BodyDecoder, BodyError, BodyLength, ConnectionOption, Decoded, HeadLimits, HeadParser,
    RequestHead, ResponseHead, Target, write_chunk, write_last_chunk, write_request_head,
    write_response_head,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What stands before the fault or the end, and which of the two it is.
#[derive(Debug, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: Option<Result<(), BodyError>>,
}

/// Decodes a body whose bytes come in the given pieces.
fn decode(length: BodyLength, pieces: &[&[u8]]) -> (Body, BytesMut) {
    let mut decoder = BodyDecoder::new(length);
    let mut buf = BytesMut::new();
    let mut body = Body { data: Vec::new(), trailers: None, end: None };
    for piece in pieces {
        buf.extend_from_slice(piece);
        while body.end.is_none() {
            match decoder.decode(&mut buf) {
                Ok(Decoded::Data(data)) => body.data.extend_from_slice(&data),
                Ok(Decoded::Trailers(trailers)) => body.trailers = Some(trailers),
                Ok(Decoded::End) => body.end = Some(Ok(())),
                Ok(Decoded::NeedMore) => break,
                Err(error) => body.end = Some(Err(error)),
            }
        }
    }
    (body, buf)
}

/// Cuts `bytes` at arbitrary places.
fn cut<'a>(bytes: &'a [u8], at: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in places {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces.push(&bytes[from..]);
    pieces
}

fn parse_request(bytes: &[u8]) -> Option<(RequestHead, BytesMut)> {
    let mut buf = BytesMut::from(bytes);
    let head = HeadParser::new(HeadLimits::default()).parse_request(&mut buf).ok()??;
    Some((head, buf))
}

fn write_request(head: &RequestHead) -> BytesMut {
    let mut dst = BytesMut::new();
    let target = match head.uri.path_and_query() {
        Some(path) => Target::Path(path),
        None => Target::Authority(head.uri.authority().expect("a target is one or the other")),
    };
    let connection = match (head.keep_alive, head.upgrade) {
        (_, true) => ConnectionOption::Upgrade,
        (true, false) => ConnectionOption::Omit,
        (false, false) => ConnectionOption::Close,
    };
    write_request_head(&mut dst, &head.method, target, &head.headers, head.body, connection);
    dst
}

/// The headers but those that the writer makes itself.
fn others(headers: &HeaderMap) -> HeaderMap {
    let mut others = headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        others.remove(name);
    }
    others
}

/// Whatever is taken for a request is written as a request that is read the same, to the last byte.
fn assert_request_round_trips(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some((head, _)) = parse_request(bytes) else {
        return Ok(());
    };
    let mut written = write_request(&head);
    written.extend_from_slice(b"BODY");
    let (again, rest) = parse_request(&written).expect("what is written can be read");
    prop_assert_eq!(&rest[..], b"BODY");
    prop_assert_eq!(&again.method, &head.method);
    prop_assert_eq!(again.uri.path_and_query(), head.uri.path_and_query());
    prop_assert_eq!(others(&again.headers), others(&head.headers));
    prop_assert_eq!(again.body, head.body);
    prop_assert_eq!(again.upgrade, head.upgrade);
    prop_assert!(again.keep_alive == head.keep_alive || head.upgrade);
    Ok(())
}

fn assert_response_round_trips(bytes: &[u8]) -> Result<(), TestCaseError> {
    use destrier_http1::AnswerTo::{Connect, Head, Other, Upgrade};
    for request in [Other, Head, Connect, Upgrade] {
        let parse = |bytes: &[u8]| -> Option<(ResponseHead, BytesMut)> {
            let mut buf = BytesMut::from(bytes);
            let mut parser = HeadParser::new(HeadLimits::default());
            Some((parser.parse_response(&mut buf, request).ok()??, buf))
        };
        let Some((head, _)) = parse(bytes) else {
            continue;
        };
        let connection =
            if head.keep_alive { ConnectionOption::Omit } else { ConnectionOption::Close };
        let mut written = BytesMut::new();
        let version = http::Version::HTTP_11;
        let (status, headers, body) = (head.status, &head.headers, head.body);
        write_response_head(&mut written, version, status, headers, body, connection);
        written.extend_from_slice(b"BODY");
        let (again, rest) = parse(&written).expect("what is written can be read");
        prop_assert_eq!(&rest[..], b"BODY");
        prop_assert_eq!(again.status, head.status);
        prop_assert_eq!(others(&again.headers), others(&head.headers));
        prop_assert_eq!(again.body, head.body);
        prop_assert_eq!((again.keep_alive, again.tunnel), (head.keep_alive, head.tunnel));
    }
    Ok(())
}

/// Bytes that look enough like a message to get far into the parser.
fn near_message(first_lines: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&str] = &[
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        ": ",
        ",",
        "host: h",
        "host: a:1",
        "x: y",
        "content-length: 3",
        "content-length",
        "transfer-encoding: chunked",
        "chunked",
        "gzip",
        "connection: close",
        "connection: keep-alive, x",
        "upgrade: websocket",
        "connection: upgrade",
        "expect: 100-continue",
        "0",
        "3",
        "\0",
        "\u{e9}",
        "#",
        "/a",
        ";q=1",
    ];
    let line = select(first_lines);
    let field = prop_oneof![
        4 => vec(select(PARTS), 1..3).prop_map(|parts| parts.concat()),
        6 => select(PARTS).prop_map(str::to_owned),
    ];
    let ending =
        prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just(""), 1 => Just("\r\n ")];
    let fields = vec((field, ending), 0..6);
    (line, fields).prop_map(|(line, fields)| {
        let mut bytes = line.as_bytes().to_vec();
        for (field, ending) in fields {
            bytes.extend_from_slice(field.as_bytes());
            bytes.extend_from_slice(ending.as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    })
}

const REQUEST_LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "GET http://h/a HTTP/1.1\r\n",
    "GET http://h?a HTTP/1.1\r\n",
    "CONNECT h:1 HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "HEAD /x HTTP/1.1\r\n",
    "GET  / HTTP/1.1\r\n",
    "GET / HTTP/1.1\n",
    "\r\n\r\nGET / HTTP/1.1\r\n",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 204\r\n",
    "HTTP/1.1 304 \r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 100 Continue\r\n",
    "HTTP/1.1 404 No\n",
];

fn trailers() -> impl Strategy<Value = HeaderMap> {
    vec((select(&["x-a", "x-b", "grpc-status"][..]), "[ -~]{0,8}"), 0..4).prop_map(|lines| {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_str(value.trim()).expect("printable");
            map.append(HeaderName::from_static(name), value);
        }
        map
    })
}

proptest! {
    #[test]
    fn any_bytes_taken_for_a_request_round_trip(bytes in vec(any::<u8>(), 0..200)) {
        assert_request_round_trips(&bytes)?;
        assert_response_round_trips(&bytes)?;
    }

    #[test]
    fn whatever_is_taken_for_a_request_round_trips(bytes in near_message(REQUEST_LINES)) {
        assert_request_round_trips(&bytes)?;
    }

    #[test]
    fn whatever_is_taken_for_a_response_round_trips(bytes in near_message(STATUS_LINES)) {
        assert_response_round_trips(&bytes)?;
    }

    #[test]
    fn a_head_reads_the_same_wherever_it_is_cut(
        bytes in near_message(REQUEST_LINES),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let mut whole = BytesMut::from(&bytes[..]);
        let expected = HeadParser::new(HeadLimits::default()).parse_request(&mut whole);
        let mut parser = HeadParser::new(HeadLimits::default());
        let (mut buf, mut result) = (BytesMut::new(), Ok(None));
        for piece in cut(&bytes, &cuts) {
            buf.extend_from_slice(piece);
            if result == Ok(None) {
                result = parser.parse_request(&mut buf);
            }
        }
        match (&result, &expected) {
            // A fault may be seen before another one has come.
            (Err(_), Err(_)) => {}
            _ => prop_assert_eq!(&result, &expected),
        }
        if matches!(result, Ok(Some(_))) {
            prop_assert_eq!(buf, whole);
        }
    }

    #[test]
    fn chunks_and_trailers_round_trip(
        chunks in vec(vec(any::<u8>(), 0..50), 0..6),
        trailers in trailers(),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let mut written = BytesMut::new();
        for chunk in &chunks {
            write_chunk(&mut written, chunk);
        }
        write_last_chunk(&mut written, &trailers);
        written.extend_from_slice(b"NEXT");
        let (body, rest) = decode(BodyLength::Chunked, &cut(&written, &cuts));
        prop_assert_eq!(&rest[..], b"NEXT");
        prop_assert_eq!(body.data, chunks.concat());
        prop_assert_eq!(body.end, Some(Ok(())));
        prop_assert_eq!(body.trailers.unwrap_or_default(), trailers);
    }

    #[test]
    fn a_body_with_a_wrong_byte_reads_the_same_wherever_it_is_cut(
        chunks in vec(vec(any::<u8>(), 1..20), 1..4),
        at in any::<Index>(),
        byte in any::<u8>(),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let mut written = BytesMut::new();
        for chunk in &chunks {
            write_chunk(&mut written, chunk);
        }
        write_last_chunk(&mut written, &HeaderMap::new());
        let at = at.index(written.len());
        written[at] = byte;
        let (whole, whole_rest) = decode(BodyLength::Chunked, &[&written]);
        let (pieces, pieces_rest) = decode(BodyLength::Chunked, &cut(&written, &cuts));
        prop_assert_eq!(&pieces, &whole);
        if whole.end == Some(Ok(())) {
            prop_assert_eq!(pieces_rest, whole_rest);
        }
    }
}
