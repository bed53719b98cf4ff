//! Access logs: what is written about each request and each TCP connection.
//!
//! A worker makes the line and puts it into a buffer; a thread per file writes the buffer out. A buffer
//! that is full loses lines, which are counted: a slow disk never slows a request.
//!
//! Start reading at [`AccessLogs`]; [`render()`] and [`HttpLine`] also make headers and bodies that are formats.

mod capture;
mod common;
mod date;
mod filter;
mod flags;
mod heads;
mod http;
mod json;
mod line;
mod logs;
mod metadata;
mod query;
mod render;
mod stats;
mod tcp;
mod time;
mod uuid;
mod writer;

pub(crate) use capture::{Captured, Wanted};
pub(crate) use filter::lets_through;
pub(crate) use heads::{Heads, Live, RequestHead};
pub(crate) use http::HttpLine;
pub(crate) use logs::AccessLogs;
pub(crate) use render::{render, render_parts};
pub(crate) use stats::LogStats;
pub(crate) use tcp::TcpLine;
pub(crate) use writer::LogWriter;
