//! Parts of a cluster (`lb_subset_config`): hosts grouped by their metadata, and which group a request
//! is to be balanced over.
//!
//! [`SubsetIndex::new`] groups the hosts; [`SubsetIndex::choose`] names the groups to be tried for what a
//! request asks. The caller keeps whatever it balances with per group.

mod criteria;
mod grouping;
mod index;
mod selector;
#[cfg(test)]
mod tests;

pub(crate) use index::{SubsetGroup, SubsetIndex};
