//! Makes messages those of a proxy: what belongs to one connection goes, what Envoy adds by default comes.

mod forwarded;
mod layer;
mod request_id;
mod response;
mod service;

pub(crate) use layer::SanitizeLayer;
pub(crate) use response::stamp;
pub(crate) use service::Sanitize;
