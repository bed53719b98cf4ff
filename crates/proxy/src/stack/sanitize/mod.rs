//! Makes messages those of a proxy: what belongs to one connection goes, what Envoy adds by default comes.

mod client;
mod forwarded;
mod host;
mod layer;
mod path;
mod request_id;
mod response;
mod service;
mod via;

pub(crate) use layer::SanitizeLayer;
pub(crate) use response::stamp;
pub(crate) use service::Sanitize;
