//! Translation of clusters and endpoints, from the outside.

mod accepted;
mod effect;
mod endpoints;
mod fields;
mod parse;
mod recorded;
mod refused;
mod render;
