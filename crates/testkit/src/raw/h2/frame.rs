//! Frames (RFC 9113, section 4 and 6).

use bytes::{BufMut as _, Bytes, BytesMut};

/// Types of frames.
pub mod kind {
    #![expect(missing_docs, reason = "each is the RFC's type of the same name")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![expect(missing_docs, reason = "each is the RFC's flag of the same name")]
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
}

/// Parameters of SETTINGS.
pub mod setting {
    #![expect(missing_docs, reason = "each is the RFC's parameter of the same name")]
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
}

/// One frame, right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`], or something else.
    pub kind: u8,
    /// Any of [`flag`].
    pub flags: u8,
    /// 0 is the connection.
    pub stream: u32,
    /// What stands behind the nine bytes of the frame's head.
    pub payload: Bytes,
}

impl Frame {
    /// Any frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Bytes>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// A whole header block that leaves the stream open; add [`flag::END_STREAM`] to close it.
    pub fn headers(stream: u32, headers: &[(&str, &str)]) -> Self {
        Self::new(kind::HEADERS, flag::END_HEADERS, stream, super::encode_headers(headers))
    }

    /// The same with more flags.
    pub fn with(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    /// Data that leaves the stream open.
    pub fn data(stream: u32, data: impl Into<Bytes>) -> Self {
        Self::new(kind::DATA, 0, stream, data)
    }

    /// SETTINGS with these parameters.
    pub fn settings(parameters: &[(u16, u32)]) -> Self {
        let mut payload = BytesMut::new();
        for (parameter, value) in parameters {
            payload.put_u16(*parameter);
            payload.put_u32(*value);
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// The answer to the peer's SETTINGS.
    pub fn settings_ack() -> Self {
        Self::new(kind::SETTINGS, flag::ACK, 0, Bytes::new())
    }

    /// PING.
    pub fn ping(opaque: [u8; 8]) -> Self {
        Self::new(kind::PING, 0, 0, opaque.to_vec())
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes().to_vec())
    }

    /// GOAWAY.
    pub fn go_away(last_stream: u32, code: u32) -> Self {
        let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
        Self::new(kind::GOAWAY, 0, 0, payload)
    }

    /// WINDOW_UPDATE.
    pub fn window_update(stream: u32, bytes: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, bytes.to_be_bytes().to_vec())
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The error code of RST_STREAM or GOAWAY.
    pub fn error_code(&self) -> Option<u32> {
        let at = match self.kind {
            kind::RST_STREAM => 0,
            kind::GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..at + 4)?;
        code.try_into().ok().map(u32::from_be_bytes)
    }

    /// The status of a response's HEADERS that were written without the dynamic table.
    pub fn status(&self) -> Option<u16> {
        if self.kind == kind::HEADERS { super::hpack::status(&self.payload) } else { None }
    }

    /// The bytes on the wire.
    pub fn write(&self, out: &mut BytesMut) {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        out.put_slice(&length.to_be_bytes()[1..]);
        out.put_u8(self.kind);
        out.put_u8(self.flags);
        out.put_u32(self.stream);
        out.put_slice(&self.payload);
    }
}
