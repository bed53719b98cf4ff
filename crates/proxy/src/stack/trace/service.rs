use destrier_upstream::Body;
use http::Response;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::stack::Handle;

/// Counts answers by status and notes them for the access log.
#[derive(Clone, Debug)]
pub(crate) struct Trace<S> {
    pub(super) inner: S,
}

impl<S, R> Handle<R> for Trace<S>
where
    S: Handle<R> + Sync,
    R: Send,
{
    type Error = S::Error;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        request: R,
    ) -> Result<Response<Body>, S::Error> {
        let response = self.inner.handle(exchange, request).await?;
        exchange.answered.get_or_insert_with(Instant::now);
        exchange.note_response(response.status(), response.headers());
        if !exchange.request_ended() {
            exchange.scope.stats.downstream_rq_response_before_rq_complete.inc();
        }
        Ok(response)
    }
}
