//! Bodies: what comes out, when it ends, and that nothing comes out after a fault.

use bytes::BytesMut;
use destrier_http1::{BodyDecoder, BodyError, BodyLength, Decoded};
use http::HeaderMap;

/// What came out of a decoder until it ended, failed or wanted more.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    error: Option<BodyError>,
}

fn drain(decoder: &mut BodyDecoder, buf: &mut BytesMut, outcome: &mut Outcome) {
    loop {
        match decoder.decode(buf) {
            Ok(Decoded::Data(data)) => {
                assert!(!data.is_empty(), "data is never empty");
                assert!(!outcome.ended, "no data after the end");
                outcome.data.extend_from_slice(&data);
            }
            Ok(Decoded::Trailers(trailers)) => outcome.trailers = Some(trailers),
            Ok(Decoded::NeedMore) => return,
            Ok(Decoded::End) => {
                outcome.ended = true;
                return;
            }
            Err(error) => {
                outcome.error = Some(error);
                return;
            }
        }
    }
}

fn decode(length: BodyLength, bytes: &[u8]) -> (Outcome, BytesMut) {
    let (mut decoder, mut buf) = (BodyDecoder::new(length), BytesMut::from(bytes));
    let mut outcome = Outcome::default();
    drain(&mut decoder, &mut buf, &mut outcome);
    (outcome, buf)
}

#[test]
fn a_counted_body_ends_at_its_count() {
    let (outcome, rest) = decode(BodyLength::Length(3), b"abcNEXT");
    assert_eq!((&outcome.data[..], outcome.ended), (&b"abc"[..], true));
    assert_eq!(&rest[..], b"NEXT");
    let mut decoder = BodyDecoder::new(BodyLength::Length(3));
    let mut buf = BytesMut::from("abc");
    assert!(!decoder.is_done());
    assert!(matches!(decoder.decode(&mut buf), Ok(Decoded::Data(_))));
    assert!(decoder.is_done(), "the last byte of a counted body is its end");
    for length in [BodyLength::Empty, BodyLength::Omitted, BodyLength::Length(0)] {
        assert!(BodyDecoder::new(length).is_done());
        let (outcome, rest) = decode(length, b"NEXT");
        assert!(outcome.ended && outcome.data.is_empty());
        assert_eq!(&rest[..], b"NEXT");
    }
}

#[test]
fn only_a_body_until_close_may_end_by_closing() {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose);
    let mut buf = BytesMut::from("abc");
    assert!(matches!(decoder.decode(&mut buf), Ok(Decoded::Data(_))));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::NeedMore));
    assert_eq!(decoder.finish(), Ok(()));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::End));
    for (length, bytes) in [
        (BodyLength::Length(4), &b"abc"[..]),
        (BodyLength::Chunked, b""),
        (BodyLength::Chunked, b"3\r\nabc"),
        (BodyLength::Chunked, b"3\r\nabc\r\n"),
        (BodyLength::Chunked, b"0\r\n"),
        (BodyLength::Chunked, b"0\r\nx: y\r\n"),
    ] {
        let mut decoder = BodyDecoder::new(length);
        let mut buf = BytesMut::from(bytes);
        drain(&mut decoder, &mut buf, &mut Outcome::default());
        assert_eq!(decoder.finish(), Err(BodyError::Truncated), "{bytes:?}");
        assert_eq!(decoder.decode(&mut buf), Err(BodyError::Truncated), "{bytes:?}");
    }
}

#[test]
fn chunks_come_out_the_same_wherever_they_are_cut() {
    let whole: &[u8] =
        b"3\r\nabc\r\n00A;name=\"value\"\r\n0123456789\r\n1\r\n\n\r\n0;x\r\nT-One: 1\r\ntwo:2\r\n\r\nNEXT";
    let (expected, rest) = decode(BodyLength::Chunked, whole);
    assert_eq!(expected.data, b"abc0123456789\n");
    assert!(expected.ended);
    assert_eq!(&rest[..], b"NEXT");
    let trailers = expected.trailers.as_ref().expect("there are trailers");
    assert_eq!((trailers["t-one"].as_bytes(), trailers["two"].as_bytes()), (&b"1"[..], &b"2"[..]));
    for cut in 0..whole.len() {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked);
        let mut buf = BytesMut::from(&whole[..cut]);
        let mut outcome = Outcome::default();
        drain(&mut decoder, &mut buf, &mut outcome);
        buf.extend_from_slice(&whole[cut..]);
        drain(&mut decoder, &mut buf, &mut outcome);
        assert_eq!(outcome, expected, "cut at {cut}");
        assert_eq!(&buf[..], b"NEXT", "cut at {cut}");
    }
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let (mut buf, mut outcome) = (BytesMut::new(), Outcome::default());
    for &byte in &whole[..whole.len() - 4] {
        assert!(!outcome.ended);
        buf.extend_from_slice(&[byte]);
        drain(&mut decoder, &mut buf, &mut outcome);
    }
    assert_eq!(outcome, expected);
}

#[test]
fn each_fault_in_chunks_is_refused_and_nothing_after_it_comes_out() {
    let long_extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(300));
    let long_trailer = format!("0\r\nx: {}\r\n\r\n", "y".repeat(8 * 1024));
    let many_trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(101));
    let cases: &[(&str, &str, BodyError)] = &[
        ("zz\r\n", "", BodyError::ChunkSize),
        ("zz", "", BodyError::ChunkSize),
        ("\r\nabc", "", BodyError::ChunkSize),
        (";x\r\nabc", "", BodyError::ChunkSize),
        ("-3\r\nabc\r\n", "", BodyError::ChunkSize),
        ("+3\r\nabc\r\n", "", BodyError::ChunkSize),
        ("0x3\r\nabc\r\n", "", BodyError::ChunkSize),
        (" 3\r\nabc\r\n", "", BodyError::ChunkSize),
        ("3 \r\nabc\r\n", "", BodyError::ChunkSize),
        ("3\t;x\r\nabc\r\n", "", BodyError::ChunkSize),
        ("3\nabc\r\n", "", BodyError::ChunkSize),
        ("10000000000000000\r\nabc", "", BodyError::ChunkSize),
        ("00000000000000003\r\nabc", "", BodyError::ChunkSize),
        ("3\rabc\r\n", "", BodyError::ChunkExtension),
        ("3;a\nabc\r\n", "", BodyError::ChunkExtension),
        ("3;a\rb\r\nabc\r\n", "", BodyError::ChunkExtension),
        ("3;a\0\r\nabc\r\n", "", BodyError::ChunkExtension),
        (&long_extension, "", BodyError::ChunkExtension),
        ("3\r\nabcd\r\n0\r\n\r\n", "abc", BodyError::ChunkEnd),
        ("3\r\nabc\n0\r\n\r\n", "abc", BodyError::ChunkEnd),
        ("3\r\nabc\r0\r\n\r\n", "abc", BodyError::ChunkEnd),
        ("3\r\nabc0\r\n\r\n", "abc", BodyError::ChunkEnd),
        ("3\r\nabc\r\n2\r\nde\r\nx\r\nfg", "abcde", BodyError::ChunkSize),
        ("0\r\n\n", "", BodyError::Trailer),
        ("0\r\n\rx", "", BodyError::Trailer),
        ("0\r\nx\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nx : y\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nx: y\n\r\n", "", BodyError::Trailer),
        ("0\r\nx: y\r\n z\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nx: a\0\r\n\r\n", "", BodyError::Trailer),
        ("0\r\ncontent-length: 3\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nhost: h\r\n\r\n", "", BodyError::Trailer),
        ("0\r\nconnection: close\r\n\r\n", "", BodyError::Trailer),
        (&long_trailer, "", BodyError::TrailersTooLarge),
        (&many_trailers, "", BodyError::TrailersTooLarge),
    ];
    for (bytes, data, error) in cases {
        let (mut decoder, mut buf) =
            (BodyDecoder::new(BodyLength::Chunked), BytesMut::from(*bytes));
        let mut outcome = Outcome::default();
        drain(&mut decoder, &mut buf, &mut outcome);
        assert_eq!(outcome.error, Some(*error), "{bytes:?}");
        assert_eq!(outcome.data, data.as_bytes(), "{bytes:?}");
        assert!(!outcome.ended && !decoder.is_done(), "{bytes:?}");
        buf.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(decoder.decode(&mut buf), Err(*error), "a fault is for ever: {bytes:?}");
        assert_eq!(decoder.finish(), Err(*error), "{bytes:?}");
    }
}

#[test]
fn the_largest_chunk_size_is_not_an_overflow() {
    let (outcome, _) = decode(BodyLength::Chunked, b"ffffffffffffffff\r\nabc");
    assert_eq!((outcome.data, outcome.error), (b"abc".to_vec(), None));
}

#[test]
fn data_shares_the_buffer_and_is_not_copied() {
    let mut buf = BytesMut::from("5\r\nhello\r\n0\r\n\r\n");
    let at = buf[3..].as_ptr();
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let Ok(Decoded::Data(data)) = decoder.decode(&mut buf) else {
        panic!("a chunk is there");
    };
    assert_eq!(data.as_ptr(), at);
}
