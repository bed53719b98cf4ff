//! `dynamic_resources.cds_config` and `lds_config`: who brings clusters and listeners.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;

use crate::path::FieldPath;
use crate::report::Report;
use crate::{ClustersFrom, proto, source};

/// Files that stand in the place of the control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePlan {
    /// `cds_config.path_config_source.path`.
    pub clusters: Option<Arc<Path>>,
    /// The same of `lds_config`: read, checked and shown; listeners come from the bootstrap so far.
    pub listeners: Option<Arc<Path>>,
}

/// Who brings clusters, and for how long readiness waits for the first of them.
pub(super) fn clusters_from(bootstrap: &Bootstrap, report: &mut Report<'_>) -> ClustersFrom {
    let dynamic = bootstrap.dynamic_resources.as_ref();
    let Some(source) = dynamic.and_then(|it| it.cds_config.as_ref()) else {
        return ClustersFrom::Bootstrap;
    };
    let root = FieldPath::ROOT;
    let path = root.field("dynamic_resources");
    match &source.config_source_specifier {
        Some(ConfigSourceSpecifier::Ads(_)) => {
            if dynamic.is_some_and(|it| it.ads_config.is_none()) {
                report.refuse(&path.field("ads_config"), "must be set, since cds_config says ads");
            }
        }
        Some(ConfigSourceSpecifier::Self_(_)) => {
            report.refuse(&path.field("cds_config").field("self"), "there is no other source here");
        }
        Some(_) => {} // A file, or refused by its row.
        None => report.refuse(&path.field("cds_config"), "must say ads or path_config_source"),
    }
    let path = path.field("cds_config");
    let timeout = source.initial_fetch_timeout.as_ref();
    let timeout = timeout.and_then(|timeout| {
        report.check(&path.field("initial_fetch_timeout"), proto::duration(timeout))
    });
    let timeout = timeout.unwrap_or(Duration::from_secs(15));
    ClustersFrom::ControlPlane {
        initial_fetch_timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
    }
}

/// The files among the sources.
pub(super) fn files(bootstrap: &Bootstrap, report: &mut Report<'_>) -> FilePlan {
    let Some(dynamic) = &bootstrap.dynamic_resources else { return FilePlan::default() };
    let root = FieldPath::ROOT;
    let path = root.field("dynamic_resources");
    let mut file = |field, source| match source::file(source) {
        Ok(file) => file,
        Err((inner, reason)) => {
            report.refuse(&path.field(field).field(inner), reason);
            None
        }
    };
    FilePlan {
        clusters: dynamic.cds_config.as_ref().and_then(|source| file("cds_config", source)),
        listeners: dynamic.lds_config.as_ref().and_then(|source| file("lds_config", source)),
    }
}
