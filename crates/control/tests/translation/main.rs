//! Translation of clusters and endpoints, from the outside.

mod accepted;
mod damaged;
mod discovery;
mod effect;
mod endpoints;
mod fields;
mod parse;
mod recorded;
mod refused;
mod refused_policy;
mod render;
