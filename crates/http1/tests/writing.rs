//! What is written: framing from the body's length, nothing of it copied, hop-by-hop headers.

use bytes::BytesMut;
use destrier_http1::{
    BodyLength, ChunkHead, ConnectionOption, Target, remove_hop_by_hop_request,
    remove_hop_by_hop_response, write_chunk, write_last_chunk, write_request_head,
    write_response_head,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    map
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn request(headers: &HeaderMap, body: BodyLength, connection: ConnectionOption) -> String {
    let mut dst = BytesMut::new();
    let path = PathAndQuery::from_static("/a?b");
    write_request_head(&mut dst, &Method::POST, Target::Path(&path), headers, body, connection);
    String::from_utf8(dst.to_vec()).expect("text in, text out")
}

fn response(status: StatusCode, headers: &HeaderMap, body: BodyLength) -> String {
    let mut dst = BytesMut::new();
    let (version, connection) = (Version::HTTP_11, ConnectionOption::Omit);
    write_response_head(&mut dst, version, status, headers, body, connection);
    String::from_utf8(dst.to_vec()).expect("text in, text out")
}

#[test]
fn a_request_is_framed_by_its_body_and_not_by_its_headers() {
    let lying = map(&[
        ("host", "h"),
        ("content-length", "99"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
    ]);
    let cases = [
        (BodyLength::Empty, ""),
        (BodyLength::Omitted, ""),
        (BodyLength::Length(0), "content-length: 0\r\n"),
        (BodyLength::Length(u64::MAX), "content-length: 18446744073709551615\r\n"),
        (BodyLength::Chunked, "transfer-encoding: chunked\r\n"),
        (BodyLength::UntilClose, "transfer-encoding: chunked\r\n"),
    ];
    for (body, framing) in cases {
        assert_eq!(
            request(&lying, body, ConnectionOption::Omit),
            format!("POST /a?b HTTP/1.1\r\n{framing}host: h\r\n\r\n")
        );
    }
}

#[test]
fn a_response_is_framed_by_its_body_and_not_by_its_headers() {
    let lying = map(&[("x", "y"), ("content-length", "99"), ("transfer-encoding", "chunked")]);
    let ok = StatusCode::OK;
    assert_eq!(response(ok, &lying, BodyLength::UntilClose), "HTTP/1.1 200 OK\r\nx: y\r\n\r\n");
    assert_eq!(
        response(ok, &lying, BodyLength::Length(7)),
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\nx: y\r\n\r\n"
    );
    assert_eq!(
        response(ok, &lying, BodyLength::Chunked),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n"
    );
    assert_eq!(
        response(StatusCode::NO_CONTENT, &lying, BodyLength::Empty),
        "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n"
    );
    assert_eq!(
        response(StatusCode::NOT_MODIFIED, &lying, BodyLength::Omitted),
        "HTTP/1.1 304 Not Modified\r\nx: y\r\ncontent-length: 99\r\n\r\n"
    );
    let odd = StatusCode::from_u16(599).expect("a status");
    assert!(response(odd, &lying, BodyLength::Empty).starts_with("HTTP/1.1 599 Unknown\r\n"));
}

#[test]
fn the_connection_option_is_the_only_connection_header() {
    let none = HeaderMap::new();
    let empty = BodyLength::Empty;
    for (option, line) in [
        (ConnectionOption::Omit, ""),
        (ConnectionOption::Close, "connection: close\r\n"),
        (ConnectionOption::KeepAlive, "connection: keep-alive\r\n"),
        (ConnectionOption::Upgrade, "connection: upgrade\r\n"),
    ] {
        let expected = format!("POST /a?b HTTP/1.1\r\n{line}\r\n");
        assert_eq!(request(&none, empty, option), expected);
    }
    let mut dst = BytesMut::new();
    let (version, option) = (Version::HTTP_10, ConnectionOption::KeepAlive);
    write_response_head(&mut dst, version, StatusCode::OK, &none, empty, option);
    assert_eq!(&dst[..], b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n");
}

#[test]
fn connect_names_its_authority() {
    let mut dst = BytesMut::new();
    let authority = Authority::from_static("h:443");
    write_request_head(
        &mut dst,
        &Method::CONNECT,
        Target::Authority(&authority),
        &map(&[("host", "h:443")]),
        BodyLength::Empty,
        ConnectionOption::Omit,
    );
    assert_eq!(&dst[..], b"CONNECT h:443 HTTP/1.1\r\nhost: h:443\r\n\r\n");
}

#[test]
fn a_query_without_a_path_gets_one() {
    let path = PathAndQuery::try_from("?a").expect("the type allows it");
    let mut dst = BytesMut::new();
    let (target, option) = (Target::Path(&path), ConnectionOption::Omit);
    write_request_head(&mut dst, &Method::GET, target, &map(&[]), BodyLength::Empty, option);
    assert_eq!(&dst[..], b"GET /?a HTTP/1.1\r\n\r\n");
}

#[test]
fn chunk_heads_are_hexadecimal() {
    for len in [1, 9, 10, 15, 16, 255, 256, 65_536, usize::MAX] {
        assert_eq!(ChunkHead::new(len).as_bytes(), format!("{len:x}\r\n").as_bytes());
    }
    let mut dst = BytesMut::new();
    write_chunk(&mut dst, b"");
    assert!(dst.is_empty(), "an empty chunk would end the body");
    write_chunk(&mut dst, b"0123456789");
    write_last_chunk(&mut dst, &map(&[("a", "1"), ("content-length", "5"), ("host", "h")]));
    assert_eq!(&dst[..], b"a\r\n0123456789\r\n0\r\na: 1\r\n\r\n");
}

/// The `hop-by-hop` and `te-gzip` records of Envoy 1.40.
#[test]
fn a_request_loses_what_is_for_this_connection() {
    let mut headers = map(&[
        ("connection", "keep-alive, x-hop"),
        ("connection", "te,X-OTHER"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip, trailers"),
        ("x-hop", "1"),
        ("x-other", "1"),
        ("proxy-authorization", "p"),
        ("trailer", "t"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
    ]);
    remove_hop_by_hop_request(&mut headers);
    assert_eq!(names(&headers), ["expect", "proxy-authorization", "te", "trailer"]);
    assert_eq!(headers["te"], "trailers");
    let mut headers = map(&[("te", "gzip"), ("host", "h"), ("connection", "host")]);
    remove_hop_by_hop_request(&mut headers);
    assert_eq!(names(&headers), ["host"]);
}

#[test]
fn a_response_keeps_the_headers_that_connection_names() {
    let mut headers = map(&[
        ("connection", "close, x-hop"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("x-hop", "1"),
        ("content-length", "1"),
    ]);
    remove_hop_by_hop_response(&mut headers);
    assert_eq!(names(&headers), ["content-length", "x-hop"]);
}
