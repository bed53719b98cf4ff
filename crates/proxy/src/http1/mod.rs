//! HTTP/1 towards clients: one task per connection, which reads a head, has it answered, writes the
//! answer and goes on with the next.
//!
//! `server` is the loop, `request` makes a request of a head, `reading` is
//! where the reading side is, `answer` writes the response, `outbox` is
//! what waits to be written, `life` is how long a connection may go on, `close` ends it so that its
//! last answer arrives.

mod answer;
mod close;
mod life;
mod outbox;
mod pending;
mod reading;
mod request;
mod server;

pub(crate) use close::linger;

use crate::connection::{HttpConnection, Parting};

/// What is read at first to find out the version.
pub(crate) const READ_SIZE: usize = 8 << 10;

/// Serves a connection to its end.
pub(crate) async fn serve(connection: HttpConnection) -> Parting {
    let scope = std::sync::Arc::clone(&connection.scope);
    let _counted = scope.stats.http1_connection();
    server::Server::new(connection).run().await
}
