//! Translation of clusters and endpoints, from the outside.

mod fields;
