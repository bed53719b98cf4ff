//! Translation of clusters and endpoints, from the outside.

mod fields;
mod recorded;
mod render;
