//! `metadata_match`, of routes, of TCP proxies and of the clusters that they choose among by weight.

use std::sync::Arc;

use destrier_policy::MetadataMatch;
use envoy_types::pb::envoy::config::core::v3::Metadata;

use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// The namespace that balancing looks at; others are of no meaning here, as in Envoy.
const NAMESPACE: &str = "envoy.lb";

/// `outer` is what holds where this message says nothing of a key: the route's, for a choice by weight.
/// `None` when nothing is asked for.
pub(super) fn metadata_match(
    value: Option<&Metadata>,
    outer: Option<&Arc<MetadataMatch>>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Arc<MetadataMatch>> {
    let fields = value.and_then(|metadata| metadata.filter_metadata.get(NAMESPACE));
    let path = path.field("metadata_match");
    let path = path.field("filter_metadata");
    let own = fields
        .and_then(|fields| report.check(&path.key(NAMESPACE), proto::structure(fields)))
        .filter(|own| !own.is_empty());
    let Some(mut merged) = own else { return outer.cloned() };
    for (key, value) in outer.iter().flat_map(|outer| &outer.0) {
        merged.entry(key.to_string()).or_insert_with(|| value.clone());
    }
    let sorted = merged.into_iter().map(|(key, value)| (key.into_boxed_str(), value));
    Some(Arc::new(MetadataMatch(sorted.collect())))
}
