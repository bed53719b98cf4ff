//! HTTP/1 on the wire: reads and writes heads and body framing, and refuses what is not one message.
//!
//! It does no I/O and keeps no clock: bytes come in through a [`bytes::BytesMut`], messages go out,
//! and bytes are written into a buffer that the caller sends. The connection loops of both sides
//! (the listener's and the pool's) stand on it.
//!
//! What it must never do:
//! - guess. Two readings of one message are how requests are smuggled, so a message with a fault is
//!   refused ([`HeadError`], [`BodyError`]) and the connection has to end;
//! - let a body end cleanly after a fault, or hand on a byte that comes after one;
//! - pass framing through. What [`write_request_head`] and [`write_response_head`] put on the wire is
//!   made from a [`BodyLength`], never copied from received headers;
//! - know clusters, routes or sockets.
//!
//! Start reading at [`HeadParser`], then [`BodyLength`] and [`BodyDecoder`], then the writers.

mod body;
mod case;
mod connection;
mod error;
mod fields;
mod framing;
mod head;
mod host;
mod request;
mod response;
mod scan;
mod write;

pub use body::{BodyDecoder, Decoded};
pub use case::proper_case;
pub use connection::{remove_hop_by_hop_request, remove_hop_by_hop_response};
pub use error::{BodyError, HeadError};
pub use framing::{AnswerTo, BodyLength};
pub use head::{HeadLimits, HeadParser, RequestHead, ResponseHead};
pub use write::{
    CHUNK_END, CONTINUE, ChunkHead, ConnectionOption, LAST_CHUNK, Target, write_chunk,
    write_last_chunk, write_request_head, write_response_head,
};
