//! Chooses what is done with a request: the cluster it goes to, or the answer that a route gives itself.

mod find;
mod layer;
mod service;

pub(crate) use find::{RouteRef, authority};
pub(crate) use layer::RouteLayer;
pub(crate) use service::{Routed, Router};
