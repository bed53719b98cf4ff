//! The data path over real sockets on loopback: one binary, a file for each subject.

mod hostile;
mod http1;
mod http2;
mod limits;
mod reuse;
mod stress;
mod support;
mod tcp;
mod uploads;
