//! HTTP/2 as frames, from either side, so that what no library would send can be sent.

mod conn;
mod frame;
mod hpack;

pub use conn::{Outcome, RawH2};
pub use frame::{Frame, flag, kind, setting};
pub use hpack::encode_headers;
