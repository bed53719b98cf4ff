//! Known answers of Envoy 1.40.0: where every recorded key, and every recorded request for a subset, went.
//! `data/*/README.md` say what the files hold; there, picks name hosts by their place among the distinct
//! addresses of the endpoints, and -1 is the answer 503.

mod hashed;
mod read;
mod subsets;
mod tally;
mod world;
