//! Which responses are accepted, how long their bodies are, and which are refused.

use bytes::BytesMut;
use destrier_http1::{AnswerTo, BodyLength, HeadError, HeadLimits, HeadParser, ResponseHead};
use http::{Method, Version};

fn parse(bytes: &str, request: AnswerTo) -> Result<Option<ResponseHead>, HeadError> {
    HeadParser::new(HeadLimits::default()).parse_response(&mut BytesMut::from(bytes), request)
}

fn accept(bytes: &str, request: AnswerTo) -> ResponseHead {
    parse(bytes, request).expect("the head is good").expect("the head is complete")
}

#[test]
fn framing_follows_the_status_the_request_and_the_headers() {
    use AnswerTo::{Connect, Head, Other, Upgrade};
    use BodyLength::{Chunked, Empty, Length, Omitted, UntilClose};
    const CL: &str = "content-length: 5";
    const TE: &str = "transfer-encoding: chunked";
    const NO: &str = "x: y";
    // Status, request, header line; the body's length, keep-alive, tunnel.
    let cases = [
        ("200", Other, CL, Length(5), true, false),
        ("200", Other, TE, Chunked, true, false),
        ("200", Other, NO, UntilClose, false, false),
        ("404", Other, CL, Length(5), true, false),
        ("200", Head, CL, Omitted, true, false),
        ("200", Head, TE, Omitted, true, false),
        ("200", Head, NO, Omitted, true, false),
        ("304", Other, CL, Omitted, true, false),
        ("304", Other, NO, Omitted, true, false),
        ("204", Other, NO, Empty, true, false),
        ("204", Other, "content-length: 0", Empty, true, false),
        ("204", Other, CL, Empty, false, false),
        ("204", Other, TE, Empty, false, false),
        ("100", Other, NO, Empty, true, false),
        ("103", Other, NO, Empty, true, false),
        ("100", Head, NO, Empty, true, false),
        ("101", Upgrade, NO, UntilClose, false, true),
        ("200", Upgrade, CL, Length(5), true, false),
        ("200", Connect, NO, UntilClose, false, true),
        ("200", Connect, CL, UntilClose, false, true),
        ("403", Connect, CL, Length(5), true, false),
        ("200", Other, "content-length: 5\r\nconnection: close", Length(5), false, false),
    ];
    for (status, request, line, body, keep_alive, tunnel) in cases {
        let head = accept(&format!("HTTP/1.1 {status} Reason\r\n{line}\r\n\r\n"), request);
        let name = format!("{status} to {request:?} with {line}");
        assert_eq!(head.status.as_str(), status);
        assert_eq!(head.body, body, "{name}");
        assert_eq!(head.keep_alive, keep_alive, "{name}");
        assert_eq!(head.tunnel, tunnel, "{name}");
    }
}

#[test]
fn http_1_0_closes_unless_it_says_otherwise() {
    let head = accept("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", AnswerTo::Other);
    assert_eq!((head.version, head.keep_alive), (Version::HTTP_10, false));
    let head = accept(
        "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n",
        AnswerTo::Other,
    );
    assert!(head.keep_alive);
}

#[test]
fn the_reason_may_be_empty_missing_or_odd() {
    for line in ["HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.1 200 Gr\u{fc}n, wirklich"] {
        let head = accept(&format!("{line}\r\ncontent-length: 0\r\n\r\n"), AnswerTo::Other);
        assert_eq!(head.status, 200, "{line:?}");
    }
}

#[test]
fn each_fault_in_a_head_is_refused_by_its_name() {
    let cases: &[(&str, HeadError)] = &[
        ("HTTP/1.1 200 OK\nx: y\r\n\r\n", HeadError::BareLineFeed),
        ("HTTP/1.1 200 OK\r\nx: y\n\r\n", HeadError::BareLineFeed),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 200 O\rK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 20 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 099 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 2x0 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1  200 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/2 200 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.2 200 OK\r\n\r\n", HeadError::Version),
        ("http/1.1 200 OK\r\n\r\n", HeadError::StartLine),
        ("ICY 200 OK\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 200 OK\r\nx : y\r\n\r\n", HeadError::HeaderName),
        ("HTTP/1.1 200 OK\r\nx\r\n\r\n", HeadError::HeaderName),
        ("HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", HeadError::HeaderName),
        ("HTTP/1.1 200 OK\r\nx: y\rz\r\n\r\n", HeadError::HeaderValue),
        ("HTTP/1.1 200 OK\r\nx: y\0z\r\n\r\n", HeadError::HeaderValue),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            HeadError::RepeatedContentLength,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1,1\r\n\r\n", HeadError::ContentLength),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::LengthAndChunked,
        ),
        (
            "HTTP/1.1 304 No\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::LengthAndChunked,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n", HeadError::TransferEncoding),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", HeadError::ChunkedInHttp10),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
            HeadError::UnexpectedSwitch,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse(bytes, AnswerTo::Other), Err(*expected), "{bytes:?}");
    }
}

#[test]
fn a_head_that_comes_in_pieces_reads_the_same_as_whole() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\n";
    let expected = accept(whole, AnswerTo::Other);
    for cut in 0..whole.len() {
        let mut parser = HeadParser::new(HeadLimits::default());
        let mut buf = BytesMut::from(&whole[..cut]);
        assert_eq!(parser.parse_response(&mut buf, AnswerTo::Other), Ok(None), "cut at {cut}");
        buf.extend_from_slice(&whole.as_bytes()[cut..]);
        let head = parser.parse_response(&mut buf, AnswerTo::Other);
        assert_eq!(head, Ok(Some(expected.clone())), "cut at {cut}");
    }
}

#[test]
fn an_interim_response_is_followed_by_the_final_one() {
    let mut parser = HeadParser::new(HeadLimits::default());
    let mut buf = BytesMut::from(
        "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    );
    for status in [103, 200] {
        let head = parser.parse_response(&mut buf, AnswerTo::Other).expect("good");
        assert_eq!(head.expect("complete").status, status);
    }
    assert!(buf.is_empty());
}

#[test]
fn methods_tell_what_an_answer_looks_like() {
    assert_eq!(AnswerTo::method(&Method::HEAD), AnswerTo::Head);
    assert_eq!(AnswerTo::method(&Method::CONNECT), AnswerTo::Connect);
    assert_eq!(AnswerTo::method(&Method::GET), AnswerTo::Other);
}
