//! Reads the bootstrap: file, text laid over it, flags laid over that.

use bytes::Bytes;
use destrier_control::{BootstrapPlan, translate_bootstrap};
use destrier_envoy_json::{UnknownFields, parse_bootstrap};
use destrier_policy::{FieldNote, FieldStanding};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message;

use crate::args::Args;

/// A bootstrap that was read and found good.
#[derive(Debug)]
pub struct Loaded {
    /// What it asks for.
    pub plan: BootstrapPlan,
    /// The message, for the admin port.
    pub message: Bytes,
}

/// Reads what the flags name.
///
/// # Errors
/// Every fault, a line each: the flag or file, the line or the field path, and the cause.
pub fn load(args: &Args) -> Result<Loaded, Vec<String>> {
    let mut texts = Vec::new();
    if let Some(path) = &args.config_path {
        let name = format!("--config-path {}", path.display());
        match std::fs::read_to_string(path) {
            Ok(text) => texts.push((name, text)),
            Err(error) => return Err(vec![format!("{name}: {error}")]),
        }
    }
    if let Some(text) = &args.config_yaml {
        texts.push(("--config-yaml".into(), text.clone()));
    }
    if texts.is_empty() {
        return Err(vec!["one of --config-path and --config-yaml is wanted".into()]);
    }
    parse(&texts, args)
}

/// Reads texts, each with the name under which its faults are told.
///
/// # Errors
/// As [`load`].
pub fn parse(texts: &[(String, String)], args: &Args) -> Result<Loaded, Vec<String>> {
    let unknown =
        if args.allow_unknown_static_fields { UnknownFields::Allow } else { UnknownFields::Reject };
    let bodies: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let parsed = parse_bootstrap(&bodies, unknown)
        .map_err(|(at, error)| vec![format!("{}: {error}", texts[at].0)])?;
    let mut bootstrap = parsed.message;
    lay_flags_over(&mut bootstrap, args);
    let mut plan = translate_bootstrap(&bootstrap).map_err(|faults| {
        faults.iter().map(|fault| format!("bootstrap: {fault}")).collect::<Vec<_>>()
    })?;
    plan.not_in_force.extend(
        parsed.unknown_types.into_iter().map(|unknown| {
            tolerated(&format!("{}: unknown type {}", unknown.path, unknown.type_url))
        }),
    );
    plan.not_in_force.extend(parsed.ignored_fields.iter().map(|path| tolerated(path)));
    Ok(Loaded { plan, message: bootstrap.encode_to_vec().into() })
}

fn tolerated(field: &str) -> FieldNote {
    FieldNote { field: field.into(), standing: FieldStanding::Tolerated }
}

/// `--service-node` and its kin stand above the file, as in Envoy.
fn lay_flags_over(bootstrap: &mut Bootstrap, args: &Args) {
    let flags = [&args.service_node, &args.service_cluster, &args.service_zone];
    if flags.iter().all(|flag| flag.is_none()) {
        return;
    }
    let node = bootstrap.node.get_or_insert_default();
    if let Some(id) = &args.service_node {
        node.id.clone_from(id);
    }
    if let Some(cluster) = &args.service_cluster {
        node.cluster.clone_from(cluster);
    }
    if let Some(zone) = &args.service_zone {
        node.locality.get_or_insert_default().zone.clone_from(zone);
    }
}
