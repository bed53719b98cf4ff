//! A chunked body comes out the same in pieces, never grows, and is written as one that reads the same.
#![no_main]

use bytes::BytesMut;
use destrier_http1::{BodyDecoder, BodyError, BodyLength, Decoded, write_chunk, write_last_chunk};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: HeaderMap,
    end: Option<Result<(), BodyError>>,
    rest: usize,
}

fuzz_target!(|input: &[u8]| {
    let Some((&at, bytes)) = input.split_first() else {
        return;
    };
    let whole = decode(&[bytes]);
    let (before, after) = bytes.split_at(bytes.len().min(at.into()));
    let in_pieces = decode(&[before, after]);
    assert_eq!((&in_pieces.data, &in_pieces.end), (&whole.data, &whole.end));
    assert!(whole.data.len() <= bytes.len());
    if whole.end == Some(Ok(())) {
        assert_eq!(in_pieces, whole);
        let mut written = BytesMut::new();
        write_chunk(&mut written, &whole.data);
        write_last_chunk(&mut written, &whole.trailers);
        let again = decode(&[&written]);
        assert_eq!((again.data, again.trailers), (whole.data, whole.trailers));
        assert_eq!((again.end, again.rest), (Some(Ok(())), 0));
    }
});

fn decode(pieces: &[&[u8]]) -> Body {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let mut buf = BytesMut::new();
    let mut body = Body { data: Vec::new(), trailers: HeaderMap::new(), end: None, rest: 0 };
    for piece in pieces {
        buf.extend_from_slice(piece);
        while body.end.is_none() {
            match decoder.decode(&mut buf) {
                Ok(Decoded::Data(data)) => body.data.extend_from_slice(&data),
                Ok(Decoded::Trailers(trailers)) => body.trailers = trailers,
                Ok(Decoded::End) => body.end = Some(Ok(())),
                Ok(Decoded::NeedMore) => break,
                Err(error) => body.end = Some(Err(error)),
            }
        }
    }
    body.rest = buf.len();
    body
}
