//! Peers for tests, the demo and the benchmarks: backends that behave as they are told, raw TCP
//! peers that follow a script, and a load generator.
//!
//! Nothing here waits by sleeping: conditions are awaited ([`Counts::wait_until`], [`Gate`]) and every
//! wait has a deadline. Everything listens on loopback, on port 0 unless told otherwise, and ends when
//! its handle is dropped. It must never be on the data path: what it measures it must not be part of.
//!
//! Start reading at [`Backend`] and [`Behaviour`], then [`RawPeer`] and [`Load`].

mod backend;
mod counts;
mod echo;
mod gate;
mod load;
mod net;
mod raw;

pub use backend::{Backend, Behaviour, Fault};
pub use counts::{Counts, Entered, Meter, NotInTime};
pub use destrier_http1::AnswerTo;
pub use echo::EchoTcp;
pub use gate::Gate;
pub use load::{Failure, Load, Pace, Protocol, Report, RunningLoad, Stop};
pub use net::refusing;
pub use raw::{Ending, RawConn, RawPeer, RawRequest, RawResponse, h2};
