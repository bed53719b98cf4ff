//! What the admin port shows of flags, and how it names statistics.

use destrier_admin::{DefaultTags, StatsTag, StatsTagValue, Tags};
use envoy_types::pb::envoy::config::metrics::v3::{StatsConfig, tag_specifier};
use serde_json::{Value, json};

use crate::args::{Args, DrainStrategy, IpVersion, Mode};

/// `command_line_options` of `/server_info` (`server_info.proto: CommandLineOptions`).
pub(crate) fn shown(args: &Args) -> Value {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let path = |value: &Option<std::path::PathBuf>| {
        value.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    };
    let components = &args.component_log_level.0;
    let components: Vec<String> =
        components.iter().map(|(name, level)| format!("{name}:{}", level.name())).collect();
    json!({
        "base_id": args.base_id.to_string(),
        "concurrency": args.workers(),
        "config_path": path(&args.config_path),
        "config_yaml": text(&args.config_yaml),
        "allow_unknown_static_fields": args.allow_unknown_static_fields,
        "local_address_ip_version": match args.local_address_ip_version {
            IpVersion::V4 => "v4",
            IpVersion::V6 => "v6",
        },
        "log_level": args.log_level.name(),
        "component_log_level": components.join(","),
        "log_format": text(&args.log_format),
        "log_path": path(&args.log_path),
        "service_cluster": text(&args.service_cluster),
        "service_node": text(&args.service_node),
        "service_zone": text(&args.service_zone),
        "file_flush_interval": seconds(args.file_flush_interval_msec),
        "drain_time": format!("{}s", args.drain_time_s),
        "parent_shutdown_time": format!("{}s", args.parent_shutdown_time_s),
        "mode": match args.mode {
            Mode::Serve => "Serve",
            Mode::Validate => "Validate",
        },
        "disable_hot_restart": true,
        "restart_epoch": args.restart_epoch,
        "reject_unknown_dynamic_fields": args.reject_unknown_dynamic_fields,
        "use_dynamic_base_id": args.use_dynamic_base_id,
        "drain_strategy": match args.drain_strategy {
            DrainStrategy::Gradual => "Gradual",
            DrainStrategy::Immediate => "Immediate",
        },
        "enable_core_dump": args.enable_core_dump,
        "skip_deprecated_logs": args.skip_deprecated_logs,
        "file_flush_min_size": args.file_flush_min_size_kb,
    })
}

/// As protobuf JSON prints durations.
fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        rest => format!("{}.{rest:03}s", milliseconds / 1000),
    }
}

/// `stats_config`. Tags that cannot be found are named in the log.
pub(crate) fn tags(stats: &StatsConfig) -> Tags {
    let defaults = match stats.use_all_default_tags {
        Some(wanted) if !wanted.value => DefaultTags::None,
        _ => DefaultTags::All,
    };
    let tags: Vec<StatsTag> = stats
        .stats_tags
        .iter()
        .filter_map(|tag| {
            let value = match tag.tag_value.clone()? {
                tag_specifier::TagValue::Regex(regex) => StatsTagValue::Regex(regex),
                tag_specifier::TagValue::FixedValue(value) => StatsTagValue::Fixed(value),
            };
            Some(StatsTag { name: tag.tag_name.clone(), value })
        })
        .collect();
    let (tags, left_out) = Tags::new(defaults, &tags);
    for tag in left_out {
        tracing::info!(tag, "not in force: the pattern looks around");
    }
    tags
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_are_those_of_protobuf_json() {
        assert_eq!(super::seconds(10_000), "10s");
        assert_eq!(super::seconds(1_050), "1.050s");
    }
}
