//! What a request holds while it is in flight.

/// Gives back, when dropped, what an admitted request holds.
#[derive(Debug)]
pub(crate) struct Active {}
