use destrier_upstream::Body;
use http::{Method, Request, Response};

use super::grpc::AnswerForm;
use super::reply;
use super::{ClientLeft, Refusal};
use crate::exchange::Exchange;
use crate::stack::{Handle, sanitize};

/// Answers what the inner handler refuses.
#[derive(Clone, Debug)]
pub(crate) struct Rescue<S> {
    pub(super) inner: S,
}

impl<S> Handle<Request<Body>> for Rescue<S>
where
    S: Handle<Request<Body>, Error = Refusal> + Sync,
{
    type Error = ClientLeft;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, ClientLeft> {
        let form = AnswerForm::of(&request);
        let head = request.method() == Method::HEAD;
        match self.inner.handle(exchange, request).await {
            Ok(mut response) => {
                sanitize::stamp(exchange, &mut response);
                Ok(response)
            }
            Err(Refusal::Reply(local)) => {
                let mut response = reply(exchange, form, local);
                if head {
                    *response.body_mut() = Body::empty();
                }
                Ok(response)
            }
            Err(Refusal::ClientLeft) => Err(ClientLeft),
        }
    }
}
