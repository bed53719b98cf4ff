//! Access logs: what is written about each request and each TCP connection.
//!
//! A worker makes the line and puts it into a buffer; a thread of its own writes buffers out. A buffer that
//! is full loses lines, which are counted: a slow disk never slows a request.

mod capture;
mod http;
mod line;
mod render;
mod tcp;
mod time;
mod writer;

pub(crate) use capture::{AccessLogs, Captured};
pub(crate) use http::HttpLine;
pub(crate) use tcp::TcpLine;
pub(crate) use writer::LogWriter;
