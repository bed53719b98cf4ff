use std::sync::Arc;

use destrier_policy::RouteAction;
use destrier_upstream::Body;
use http::Response;

use super::copies;
use crate::exchange::Exchange;
use crate::stack::{Dispatch, Handle, Refusal, Routed};

/// Copies the requests of routes that ask for it.
#[derive(Clone, Debug)]
pub(crate) struct Mirror<S, D> {
    pub(super) inner: S,
    pub(super) dispatch: D,
}

impl<S, D> Handle<Routed> for Mirror<S, D>
where
    S: Handle<Routed, Error = Refusal> + Sync,
    D: Dispatch + Clone + 'static,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        mut routed: Routed,
    ) -> Result<Response<Body>, Refusal> {
        let mirrors = match &routed.route.get().action {
            RouteAction::Forward(action) if !action.mirrors.is_empty() => {
                Some(Arc::clone(&action.mirrors))
            }
            _ => None,
        };
        if let Some(mirrors) = mirrors {
            copies::send(&self.dispatch, exchange, &mut routed, &mirrors);
        }
        self.inner.handle(exchange, routed).await
    }
}
