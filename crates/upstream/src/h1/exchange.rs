//! One request and its response on a connection of a pool.

use std::task::Context;

use super::Reader;

/// What a response's body holds of its exchange.
#[derive(Debug)]
pub(crate) struct Exchange {}

impl Exchange {
    pub(super) fn end(&mut self, _reader: Reader, _cx: &mut Context<'_>) {}
    pub(super) fn abort(&mut self) {}
}
