//! Which requests are accepted, what is read from them, and which are refused for what.

use bytes::BytesMut;
use destrier_http1::{AnswerTo, BodyLength, HeadError, HeadLimits, HeadParser, RequestHead};
use http::uri::PathAndQuery;
use http::{Method, Version};

fn parse(bytes: &[u8]) -> Result<Option<RequestHead>, HeadError> {
    parse_within(bytes, HeadLimits::default())
}

fn parse_within(bytes: &[u8], limits: HeadLimits) -> Result<Option<RequestHead>, HeadError> {
    HeadParser::new(limits).parse_request(&mut BytesMut::from(bytes))
}

fn accept(bytes: &str) -> RequestHead {
    parse(bytes.as_bytes()).expect("the head is good").expect("the head is complete")
}

#[test]
fn a_plain_request_is_read_whole_and_what_follows_stays() {
    let mut buf = BytesMut::from(
        "POST /a/b?c=d HTTP/1.1\r\nHost: h:80\r\nX-A: 1\r\nx-a:\t2 \r\nContent-Length: 3\r\n\r\nabcNEXT",
    );
    let head = HeadParser::new(HeadLimits::default())
        .parse_request(&mut buf)
        .expect("the head is good")
        .expect("the head is complete");
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.uri, "/a/b?c=d");
    assert_eq!(head.version, Version::HTTP_11);
    assert_eq!(head.authority(), Some("h:80"));
    let values: Vec<_> = head.headers.get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2"]);
    assert_eq!(head.body, BodyLength::Length(3));
    assert!(head.keep_alive && !head.upgrade && !head.expect_continue);
    assert_eq!(&buf[..], b"abcNEXT");
}

#[test]
fn a_head_that_comes_in_pieces_reads_the_same_as_whole() {
    let whole: &[u8] =
        b"\r\nPOST /p HTTP/1.1\r\nhost: h\r\ntransfer-encoding: Chunked\r\nx: y\r\n\r\nrest";
    let expected = parse(whole).expect("the head is good").expect("the head is complete");
    let end = whole.len() - b"rest".len();
    for cut in 0..end {
        let mut parser = HeadParser::new(HeadLimits::default());
        let mut buf = BytesMut::from(&whole[..cut]);
        assert_eq!(parser.parse_request(&mut buf), Ok(None), "cut at {cut}");
        buf.extend_from_slice(&whole[cut..]);
        assert_eq!(parser.parse_request(&mut buf), Ok(Some(expected.clone())), "cut at {cut}");
        assert_eq!(&buf[..], b"rest");
    }
    let mut parser = HeadParser::new(HeadLimits::default());
    let mut buf = BytesMut::new();
    for (at, &byte) in whole[..end].iter().enumerate() {
        buf.extend_from_slice(&[byte]);
        let head = parser.parse_request(&mut buf).expect("the head is good");
        assert_eq!(head.is_some(), at + 1 == end, "byte {at}");
    }
}

#[test]
fn pipelined_requests_come_one_after_the_other() {
    let mut buf = BytesMut::from(
        "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: b\r\n\r\nGET /3 HT",
    );
    let mut parser = HeadParser::new(HeadLimits::default());
    for path in ["/1", "/2"] {
        let head = parser.parse_request(&mut buf).expect("good").expect("complete");
        assert_eq!(head.uri, path);
        parser.recycle(head.headers);
    }
    assert_eq!(parser.parse_request(&mut buf), Ok(None));
    assert_eq!(&buf[..], b"GET /3 HT");
}

#[test]
fn nothing_of_a_recycled_map_is_seen_again() {
    let mut parser = HeadParser::new(HeadLimits::default());
    let mut buf = BytesMut::from("GET / HTTP/1.1\r\nhost: a\r\nsecret: 1\r\n\r\n");
    let head = parser.parse_request(&mut buf).expect("good").expect("complete");
    parser.recycle(head.headers);
    buf.extend_from_slice(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = parser.parse_request(&mut buf).expect("good").expect("complete");
    assert_eq!(head.headers.len(), 1);
}

#[test]
fn each_fault_in_a_head_is_refused_by_its_name() {
    let cases: &[(&str, HeadError)] = &[
        // Line ends.
        ("GET / HTTP/1.1\nhost: h\r\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: h\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: h\r\n\n", HeadError::BareLineFeed),
        ("\nGET / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\nb\r\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\rb\r\n\r\n", HeadError::HeaderValue),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\r\r\n\r\n", HeadError::HeaderValue),
        ("GET / HTTP/1.1\r\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET /\ra HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        // Header lines.
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n b\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n\tb\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\n x: a\r\nhost: h\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx : a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx\t: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx y: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\n: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx(: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx\u{e9}: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx\0: a\r\n\r\n", HeadError::HeaderName),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\0\r\n\r\n", HeadError::HeaderValue),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\u{b}b\r\n\r\n", HeadError::HeaderValue),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: a\u{7f}b\r\n\r\n", HeadError::HeaderValue),
        // The first line.
        ("GET  / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET /  HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.1 \r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET\t/ HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Method),
        (" GET / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Method),
        ("GET / http/1.1\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/11\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.1x\r\nhost: h\r\n\r\n", HeadError::StartLine),
        ("GET /\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.2\r\nhost: h\r\n\r\n", HeadError::Version),
        ("GET / HTTP/2.0\r\nhost: h\r\n\r\n", HeadError::Version),
        ("PRI * HTTP/2.0\r\n\r\n", HeadError::Method),
        ("GARBAGE\r\n\r\n", HeadError::Method),
        ("get / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Method),
        ("BREW / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Method),
        ("G@T / HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Method),
        // The target.
        ("GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Fragment),
        ("GET /\u{e9} HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET /\u{1} HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET /\u{7f} HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET /?\" HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET /< HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET a HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET * HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Url),
        ("GET h:80 HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("GET ftp://h/ HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Scheme),
        ("GET http:///a HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Url),
        ("GET http://u@h/a HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("CONNECT /a HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("CONNECT h HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("CONNECT http://h:80/ HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        ("CONNECT u@h:80 HTTP/1.1\r\nhost: h\r\n\r\n", HeadError::Target),
        // Host.
        ("GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n", HeadError::RepeatedHost),
        ("GET / HTTP/1.1\r\nhost: h\r\nHOST: i\r\n\r\n", HeadError::RepeatedHost),
        ("GET / HTTP/1.1\r\nhost: h/a\r\n\r\n", HeadError::Host),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", HeadError::Host),
        // Framing.
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n",
            HeadError::RepeatedContentLength,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n",
            HeadError::RepeatedContentLength,
        ),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3, 3\r\n\r\n", HeadError::ContentLength),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length:\r\n\r\n", HeadError::ContentLength),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: +3\r\n\r\n", HeadError::ContentLength),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -3\r\n\r\n", HeadError::ContentLength),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0x3\r\n\r\n", HeadError::ContentLength),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3 3\r\n\r\n", HeadError::ContentLength),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 18446744073709551616\r\n\r\n",
            HeadError::ContentLength,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::LengthAndChunked,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n",
            HeadError::LengthAndChunked,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked;x\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: \"chunked\"\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: xchunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        ("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding:\r\n\r\n", HeadError::TransferEncoding),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: \u{b}chunked\r\n\r\n",
            HeadError::HeaderValue,
        ),
        (
            "POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::ChunkedInHttp10,
        ),
        (
            "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\ncontent-length: 1\r\n\r\n",
            HeadError::BodyDisallowed,
        ),
        (
            "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
        // Connection.
        ("GET / HTTP/1.1\r\nhost: h\r\nconnection: host\r\n\r\n", HeadError::ConnectionHeader),
        (
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: close, X-Forwarded-For\r\n\r\n",
            HeadError::ConnectionHeader,
        ),
        ("GET / HTTP/1.1\r\nhost: h\r\nconnection: :path\r\n\r\n", HeadError::ConnectionHeader),
        (
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: a,b,c,d,e,f,g,h,i,j\r\n\r\n",
            HeadError::ConnectionHeader,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse(bytes.as_bytes()), Err(*expected), "{bytes:?}");
    }
}

#[test]
fn every_form_of_target_is_read_as_what_it_is() {
    let host = "HTTP/1.1\r\nhost: other\r\n\r\n";
    let head = accept(&format!("GET http://h:81/a?b {host}"));
    assert_eq!((head.authority(), head.uri.path()), (Some("h:81"), "/a"));
    let head = accept(&format!("GET http://h?b {host}"));
    assert_eq!(head.uri.path_and_query().map(PathAndQuery::as_str), Some("/?b"));
    let head = accept(&format!("GET //h/a {host}"));
    assert_eq!((head.authority(), head.uri.path()), (Some("other"), "//h/a"));
    let head = accept(&format!("OPTIONS * {host}"));
    assert_eq!((head.authority(), head.uri.path()), (Some("other"), "*"));
    let head = accept(&format!("CONNECT h:443 {host}"));
    assert_eq!((head.authority(), head.body), (Some("h:443"), BodyLength::Empty));
    assert_eq!(head.answer_to(), AnswerTo::Connect);
    assert_eq!(accept("GET / HTTP/1.1\r\n\r\n").authority(), None);
    assert_eq!(accept("GET / HTTP/1.1\r\nhost:\r\n\r\n").authority(), Some(""));
    for path in ["/a|b", "/%zz", "/a;b=c", "/a?b={c}", "/?"] {
        assert_eq!(accept(&format!("GET {path} {host}")).uri, path);
    }
}

#[test]
fn keep_alive_follows_the_version_and_the_connection_header() {
    let cases = [
        ("1.1", "x: y", true),
        ("1.1", "connection: close", false),
        ("1.1", "connection: x-a , CLOSE", false),
        ("1.1", "connection: x-a\r\nconnection: close", false),
        ("1.1", "connection: keep-alive", true),
        ("1.1", "connection: closed", true),
        ("1.0", "x: y", false),
        ("1.0", "connection: Keep-Alive", true),
        ("1.0", "connection: keep-alive, close", false),
        ("1.0", "proxy-connection: keep-alive", false),
    ];
    for (version, line, expected) in cases {
        let head = accept(&format!("GET / HTTP/{version}\r\nhost: h\r\n{line}\r\n\r\n"));
        assert_eq!(head.keep_alive, expected, "{version} {line}");
    }
}

#[test]
fn expect_and_upgrade_are_for_http_1_1_only() {
    let lines = "host: h\r\nexpect: 100-Continue\r\nconnection: Upgrade\r\nupgrade: websocket";
    let head = accept(&format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n"));
    assert!(head.expect_continue && head.upgrade);
    assert_eq!(head.answer_to(), AnswerTo::Upgrade);
    let head = accept(&format!("GET / HTTP/1.0\r\n{lines}\r\n\r\n"));
    assert!(!head.expect_continue && !head.upgrade);
    let head = accept("GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nexpect: x\r\n\r\n");
    assert!(!head.expect_continue && !head.upgrade, "connection does not name it");
    assert_eq!(accept("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n").answer_to(), AnswerTo::Head);
}

#[test]
fn limits_are_exact() {
    let head = "GET / HTTP/1.1\r\nhost: h\r\na: 1\r\nb: 2\r\n\r\n";
    let exact = HeadLimits { max_bytes: head.len(), max_headers: 3 };
    assert!(matches!(parse_within(head.as_bytes(), exact), Ok(Some(_))));
    let fewer = HeadLimits { max_headers: 2, ..exact };
    assert_eq!(parse_within(head.as_bytes(), fewer), Err(HeadError::TooManyHeaders { limit: 2 }));
    let limit = head.len() - 1;
    let shorter = HeadLimits { max_bytes: limit, ..exact };
    assert_eq!(parse_within(head.as_bytes(), shorter), Err(HeadError::TooLarge { limit }));
    assert_eq!(
        parse_within(&head.as_bytes()[..limit], shorter),
        Err(HeadError::TooLarge { limit }),
        "an incomplete head that cannot fit any more is not waited for"
    );
    let lines: String = (0..500).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let many = HeadLimits { max_headers: 1000, ..HeadLimits::default() };
    let head = parse_within(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes(), many);
    assert_eq!(head.expect("good").expect("complete").headers.len(), 500);
}

#[test]
fn what_cannot_become_a_request_is_not_waited_for() {
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"{\"a\"", b"GETTTTTTTTTTTTT", b"get"] {
        assert_eq!(parse(bytes), Err(HeadError::Method), "{bytes:?}");
    }
    for bytes in [&b""[..], b"\r", b"\r\n", b"G", b"UNSUBSCRIBE", b"M-SEARCH "] {
        assert_eq!(parse(bytes), Ok(None), "{bytes:?}");
    }
}

/// The answers of Envoy 1.40 to faulty requests. Where it is lenient on purpose of its users, we are
/// not; where it refuses after the codec, the codec lets the request through.
#[test]
fn faults_are_answered_as_envoy_answers_them() {
    const STRICTER: [(&str, HeadError); 3] = [
        ("folded-header", HeadError::HeaderName),
        ("lf-only", HeadError::BareLineFeed),
        ("two-hosts", HeadError::RepeatedHost),
    ];
    const LATER: [&str; 6] =
        ["no-host", "empty-host", "http-1.0", "connect", "options-star", "bad-chunk"];
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("data/envoy-bad-requests.json")).expect("valid JSON");
    let cases = cases.as_array().expect("a list of cases");
    assert!(cases.len() > 30);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let request = case["request"].as_str().expect("bytes as Latin-1");
        let bytes: Vec<u8> =
            request.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
        let parsed = parse(&bytes);
        let status = case["status"].as_u64().expect("a status");
        if let Some((_, error)) = STRICTER.iter().find(|(stricter, _)| *stricter == name) {
            assert_eq!(parsed, Err(*error), "{name}");
        } else if status < 300 || LATER.contains(&name) {
            assert!(matches!(parsed, Ok(Some(_))), "{name}: {parsed:?}");
        } else {
            let error = parsed.expect_err(name);
            assert_eq!(u64::from(error.status().as_u16()), status, "{name}");
            assert_eq!(Some(error.details()), case["details"].as_str(), "{name}");
        }
    }
}
