//! Chooses what is done with a request: the cluster it goes to, or the answer that a route gives itself.

mod find;
mod layer;
mod redirect;
mod rewrite;
mod service;

pub(crate) use find::{Lot, RouteRef, authority, authority_of};
pub(crate) use layer::RouteLayer;
pub(crate) use rewrite::{Original, rewrite_host, rewrite_path, set_host};
pub(crate) use service::{Routed, Router};
