//! Connections whose bytes are passed on as they are: the TCP proxy, and what follows an upgrade.

mod proxy;
mod tunnel;

pub(crate) use proxy::serve;
pub(crate) use tunnel::{Ended, Limits, Tunnel};
