//! Bodies: takes a message's data out of the read buffer.

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr;

use crate::fields::{self, is_forbidden_trailer};
use crate::scan::{Scan, ScanError, Scanned};
use crate::{BodyError, BodyLength, HeadError, HeadLimits};

/// Bytes of extensions after one chunk size. They mean nothing here and are dropped; signed uploads
/// have some 85.
const MAX_EXTENSION: usize = 256;

/// Hexadecimal digits of a 64-bit size.
const MAX_SIZE_DIGITS: usize = 16;

const TRAILER_LIMITS: HeadLimits = HeadLimits { max_bytes: 8 * 1024, max_headers: 100 };

/// One step of [`BodyDecoder::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Bytes of the body, never empty; they share the buffer's memory.
    Data(Bytes),
    /// The trailers of a chunked body, only when there are any; [`Decoded::End`] follows.
    Trailers(HeaderMap),
    /// The body is complete; what is left in the buffer belongs to the next message.
    End,
    /// More bytes are needed.
    NeedMore,
}

/// Takes one body off a connection's read buffer, without copying it.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Counted(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers(Scan),
    Done,
    Failed(BodyError),
}

impl BodyDecoder {
    /// A decoder for a body of this length, with 8 KiB and 100 lines allowed for trailers.
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Empty | BodyLength::Omitted | BodyLength::Length(0) => State::Done,
            BodyLength::Length(length) => State::Counted(length),
            BodyLength::Chunked => State::ChunkSize,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Takes the next piece out of `buf`. Call it until it answers `NeedMore` or `End`; between calls
    /// `buf` may only grow.
    ///
    /// # Errors
    /// A fault in the framing. Every later call answers the same error.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        let decoded = self.step(buf);
        if let Err(error) = decoded {
            self.state = State::Failed(error);
        }
        decoded
    }

    fn step(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match self.state {
                State::Done => return Ok(Decoded::End),
                State::Failed(error) => return Err(error),
                _ if buf.is_empty() => return Ok(Decoded::NeedMore),
                State::UntilClose => return Ok(Decoded::Data(buf.split().freeze())),
                State::Counted(left) => {
                    let (data, left) = take(buf, left);
                    self.state = if left == 0 { State::Done } else { State::Counted(left) };
                    return Ok(Decoded::Data(data));
                }
                State::ChunkSize => match take_chunk_size(buf)? {
                    None => return Ok(Decoded::NeedMore),
                    Some(0) => self.state = State::Trailers(Scan::default()),
                    Some(size) => self.state = State::ChunkData(size),
                },
                State::ChunkData(left) => {
                    let (data, left) = take(buf, left);
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Decoded::Data(data));
                }
                State::ChunkEnd => {
                    if !take_line_end(buf).ok_or(BodyError::ChunkEnd)? {
                        return Ok(Decoded::NeedMore);
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailers(scan) => return self.take_trailers(scan, buf),
            }
        }
    }

    fn take_trailers(&mut self, mut scan: Scan, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        if buf[0] == b'\r' {
            return Ok(if take_line_end(buf).ok_or(BodyError::Trailer)? {
                self.state = State::Done;
                Decoded::End
            } else {
                Decoded::NeedMore
            });
        }
        let scanned = scan.advance(buf, &TRAILER_LIMITS, TRAILER_LIMITS.max_headers);
        match scanned.map_err(trailer_section_error)? {
            Scanned::Incomplete => {
                self.state = State::Trailers(scan);
                Ok(Decoded::NeedMore)
            }
            Scanned::Complete { len, lines } => {
                let section = buf.split_to(len).freeze();
                let trailers = parse_trailers(&section, lines)?;
                self.state = State::Done;
                Ok(Decoded::Trailers(trailers))
            }
        }
    }

    /// Whether the body is complete, so that `decode` would answer `End` without more bytes. True at
    /// once after the last `Data` of a counted body; a chunked one needs its last chunk.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Says that the peer has closed its side and everything received was decoded.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] unless the body is complete or [`BodyLength::UntilClose`]; the earlier
    /// fault if there was one.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(error) => Err(error),
            _ => {
                self.state = State::Failed(BodyError::Truncated);
                Err(BodyError::Truncated)
            }
        }
    }
}

/// Takes at most `left` bytes; answers them and how many are still to come.
fn take(buf: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let have = buf.len();
    let len = usize::try_from(left).map_or(have, |left| left.min(have));
    (buf.split_to(len).freeze(), left - len as u64)
}

/// Takes CR LF off a buffer that is not empty: `Some(false)` if only the CR is there, `None` if
/// something else is.
fn take_line_end(buf: &mut BytesMut) -> Option<bool> {
    match buf[..] {
        [b'\r'] => Some(false),
        [b'\r', b'\n', ..] => {
            buf.advance(2);
            Some(true)
        }
        _ => None,
    }
}

/// Takes a chunk's size line: `1*HEXDIG [ ";" extension ] CRLF`, without the spaces that some allow.
fn take_chunk_size(buf: &mut BytesMut) -> Result<Option<u64>, BodyError> {
    let digits = buf.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > MAX_SIZE_DIGITS {
        return Err(BodyError::ChunkSize);
    }
    let Some(&after) = buf.get(digits) else {
        return Ok(None);
    };
    if digits == 0 || !matches!(after, b'\r' | b';') {
        return Err(BodyError::ChunkSize);
    }
    let size = buf[..digits].iter().fold(0, |size, &digit| size << 4 | hex_value(digit));
    let rest = &buf[digits..];
    let window = &rest[..rest.len().min(MAX_EXTENSION)];
    let Some(feed) = memchr(b'\n', window) else {
        check_extension(window.strip_suffix(b"\r").unwrap_or(window))?;
        return if window.len() < MAX_EXTENSION {
            Ok(None)
        } else {
            Err(BodyError::ChunkExtension)
        };
    };
    let extension = window[..feed].strip_suffix(b"\r").ok_or(BodyError::ChunkExtension)?;
    check_extension(extension)?;
    buf.advance(digits + feed + 1);
    Ok(Some(size))
}

fn check_extension(extension: &[u8]) -> Result<(), BodyError> {
    let is_text = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if extension.iter().all(is_text) { Ok(()) } else { Err(BodyError::ChunkExtension) }
}

/// The value of a byte that is a hexadecimal digit.
fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    })
}

fn parse_trailers(section: &Bytes, lines: usize) -> Result<HeaderMap, BodyError> {
    let mut slots = vec![httparse::EMPTY_HEADER; lines];
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(section, &mut slots)
    else {
        return Err(BodyError::Trailer);
    };
    let mut trailers = HeaderMap::new();
    fields::collect(section, parsed, &mut trailers, |name, _| {
        if is_forbidden_trailer(name) { Err(HeadError::HeaderName) } else { Ok(()) }
    })
    .map_err(|_| BodyError::Trailer)?;
    Ok(trailers)
}

fn trailer_section_error(error: ScanError) -> BodyError {
    match error {
        ScanError::BareLineFeed => BodyError::Trailer,
        ScanError::TooLarge | ScanError::TooManyLines => BodyError::TrailersTooLarge,
    }
}
