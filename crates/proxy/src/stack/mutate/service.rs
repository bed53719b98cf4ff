use destrier_upstream::Body;
use http::Response;

use super::Mutate;
use super::answer::Sent;
use super::request::change;
use crate::exchange::Exchange;
use crate::stack::route::Routed;
use crate::stack::{Dispatch, Handle, Refusal};

impl<S, D> Handle<Routed> for Mutate<S, D>
where
    S: Handle<Routed, Error = Refusal> + Sync,
    D: Dispatch,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        mut routed: Routed,
    ) -> Result<Response<Body>, Refusal> {
        let kept = change(exchange, &mut routed, &self.dispatch);
        let sent = Sent { route: routed.route.clone(), lot: routed.lot, kept };
        match self.inner.handle(exchange, routed).await {
            Ok(mut response) => {
                sent.change(exchange, &mut response);
                Ok(response)
            }
            Err(Refusal::Reply(mut reply)) => {
                sent.change_local(exchange, &mut reply);
                Err(Refusal::Reply(reply))
            }
            Err(Refusal::ClientLeft) => Err(Refusal::ClientLeft),
        }
    }
}
