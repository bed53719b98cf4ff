//! Envoy's `Bootstrap` to a [`BootstrapPlan`]: what is to be started, and how.

mod ads;
mod plan;
mod settings;
mod sources;

use std::collections::BTreeSet;

use destrier_policy::{Address, AssignmentSource, ClusterName, Discovery, FieldNote, Origin};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message;

use self::ads::ads_plan;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::report::Report;
use crate::{Rejection, proto, translate_cluster, translate_listener};

pub use self::plan::{
    AdsPlan, AdsProtocol, AdsServer, AdsTarget, BootstrapPlan, CallCredential, NodeOn,
    StaticCluster, StaticListener,
};
pub use self::settings::{Settings, Wildcard};
pub use self::sources::FilePlan;

/// Translates a bootstrap. One without `node`, `admin` or `dynamic_resources` is valid.
///
/// # Errors
/// Every fault found, with its path from the root: what a static cluster or listener is refused for, a
/// reference to a static cluster that is not there, an unknown key `destrier.*`, and whatever would do
/// harm if it were ignored.
pub fn translate_bootstrap(bootstrap: &Bootstrap) -> Result<BootstrapPlan, Vec<Rejection>> {
    let mut report = Report::new("bootstrap");
    let root = FieldPath::ROOT;
    bootstrap.survey(Standing::InForce, &root, &mut report);

    let mut faults = Vec::new();
    let clusters = clusters(bootstrap, &mut faults);
    let (listeners, listener_notes) = listeners(bootstrap, &mut faults);
    unique_names(bootstrap, &mut report);
    let ads = ads_plan(bootstrap, &clusters, &mut report);
    let clusters_from = sources::clusters_from(bootstrap, &mut report);
    let files = sources::files(bootstrap, &mut report);
    let has_ads = bootstrap.dynamic_resources.as_ref().is_some_and(|it| it.ads_config.is_some());
    if !has_ads {
        needs_ads(bootstrap, &clusters, &mut report);
    }
    let admin = admin(bootstrap, &mut report);
    let local_cluster = local_cluster(bootstrap, &mut report);
    let settings = settings::settings(bootstrap.layered_runtime.as_ref(), &mut report);

    let mut not_in_force = report.take_notes().into_vec();
    not_in_force.extend(listener_notes);
    let plan = BootstrapPlan {
        node: bootstrap.node.clone(),
        admin,
        clusters,
        listeners,
        ads,
        clusters_from,
        files,
        local_cluster,
        stats: bootstrap.stats_config.clone().unwrap_or_default(),
        settings,
        not_in_force,
    };
    match report.finish(plan) {
        Ok(plan) if faults.is_empty() => Ok(plan),
        Ok(_) => Err(faults),
        Err(others) => Err(faults.into_iter().chain(others).collect()),
    }
}

fn clusters(bootstrap: &Bootstrap, faults: &mut Vec<Rejection>) -> Vec<StaticCluster> {
    let resources = bootstrap.static_resources.as_ref();
    let mut clusters = Vec::new();
    for (index, cluster) in resources.iter().flat_map(|it| &it.clusters).enumerate() {
        match translate_cluster(cluster, Origin::Static) {
            Ok(translated) => clusters
                .push(StaticCluster { cluster: translated, body: cluster.encode_to_vec().into() }),
            Err(rejections) => faults.extend(within("clusters", index, rejections)),
        }
    }
    clusters
}

fn listeners(
    bootstrap: &Bootstrap,
    faults: &mut Vec<Rejection>,
) -> (Vec<StaticListener>, Vec<FieldNote>) {
    let resources = bootstrap.static_resources.as_ref();
    let (mut listeners, mut notes) = (Vec::new(), Vec::new());
    for (index, listener) in resources.iter().flat_map(|it| &it.listeners).enumerate() {
        match translate_listener(listener) {
            Ok(translated) => {
                let body = listener.encode_to_vec().into();
                listeners.push(StaticListener { policy: translated.policy, body });
                notes.extend(translated.notes.iter().map(|note| FieldNote {
                    field: format!("static_resources.listeners[{index}].{}", note.field).into(),
                    standing: note.standing,
                }));
            }
            Err(rejections) => faults.extend(within("listeners", index, rejections)),
        }
    }
    (listeners, notes)
}

/// The faults of a static resource, with their paths in the bootstrap.
fn within(list: &str, index: usize, rejections: Vec<Rejection>) -> impl Iterator<Item = Rejection> {
    let path = format!("static_resources.{list}[{index}]");
    rejections.into_iter().map(move |mut rejection| {
        rejection.field_path = match rejection.field_path.as_str() {
            "" => path.clone(),
            field => format!("{path}.{field}"),
        };
        rejection
    })
}

fn unique_names(bootstrap: &Bootstrap, report: &mut Report<'_>) {
    let Some(resources) = &bootstrap.static_resources else { return };
    let root = FieldPath::ROOT;
    let path = root.field("static_resources");
    let clusters = resources.clusters.iter().map(|cluster| &cluster.name);
    let listeners = resources.listeners.iter().map(|listener| &listener.name);
    for (list, names) in
        [("clusters", clusters.collect::<Vec<_>>()), ("listeners", listeners.collect())]
    {
        let mut seen = BTreeSet::new();
        for (index, name) in names.into_iter().enumerate() {
            if !name.is_empty() && !seen.insert(name) {
                let path = path.field(list);
                let path = path.index(index);
                report.refuse(&path.field("name"), format!("{name:?} is there twice"));
            }
        }
    }
}

/// Without a control plane nobody brings the endpoints of an EDS cluster.
fn needs_ads(bootstrap: &Bootstrap, clusters: &[StaticCluster], report: &mut Report<'_>) {
    let resources = bootstrap.static_resources.as_ref();
    let root = FieldPath::ROOT;
    let path = root.field("static_resources");
    let path = path.field("clusters");
    for (index, cluster) in resources.iter().flat_map(|it| &it.clusters).enumerate() {
        let is_eds = clusters.iter().any(|found| {
            let policy = &found.cluster.policy;
            *policy.name.as_str() == *cluster.name
                && matches!(policy.discovery, Discovery::Eds { source: AssignmentSource::Ads, .. })
        });
        if is_eds {
            let path = path.index(index);
            let reason = "needs dynamic_resources.ads_config, which is not set";
            report.refuse(&path.field("eds_cluster_config"), reason);
        }
    }
}

fn admin(bootstrap: &Bootstrap, report: &mut Report<'_>) -> Option<Address> {
    let address = bootstrap.admin.as_ref()?.address.as_ref()?;
    let root = FieldPath::ROOT;
    let path = root.field("admin");
    report.check(&path.field("address"), proto::address(address))
}

fn local_cluster(bootstrap: &Bootstrap, report: &mut Report<'_>) -> Option<ClusterName> {
    let name = &bootstrap.cluster_manager.as_ref()?.local_cluster_name;
    if name.is_empty() {
        return None;
    }
    let mut clusters = bootstrap.static_resources.iter().flat_map(|it| &it.clusters);
    if clusters.all(|cluster| cluster.name != *name) {
        let root = FieldPath::ROOT;
        let path = root.field("cluster_manager");
        let reason = format!("there is no static cluster {name:?}");
        report.refuse(&path.field("local_cluster_name"), reason);
    }
    Some(name.as_str().into())
}
