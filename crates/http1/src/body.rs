//! Bodies: takes a message's data out of the read buffer.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::{BodyError, BodyLength};

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
pub struct BodyDecoder {}

impl BodyDecoder {
    /// A decoder for a body of this length, with 8 KiB and 100 lines allowed for trailers.
    pub fn new(length: BodyLength) -> Self {
        todo!()
    }

    /// Takes the next piece out of `buf`. Call it until it answers `NeedMore` or `End`.
    ///
    /// # Errors
    /// A fault in the framing. Every later call answers the same error.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        todo!()
    }

    /// Whether the body is complete, so that `decode` would answer `End` without more bytes. True at
    /// once after the last `Data` of a counted body; a chunked one needs its last chunk.
    pub fn is_done(&self) -> bool {
        todo!()
    }

    /// Says that the peer has closed its side and everything received was decoded.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] unless the body is complete or [`BodyLength::UntilClose`].
    pub fn finish(&mut self) -> Result<(), BodyError> {
        todo!()
    }
}
