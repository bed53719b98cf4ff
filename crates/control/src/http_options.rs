//! `protocol.proto`: options of each HTTP version, which clusters and listeners share.

use std::time::Duration;

use destrier_policy::{HeaderCase, Http1Options, Http2Keepalive, Http2Options};
use envoy_types::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, KeepaliveSettings,
    http1_protocol_options::header_key_format::HeaderFormat,
};
use envoy_types::pb::google::protobuf::{self, UInt32Value};

use crate::proto::{self, Fault};
use crate::report::Reader;

/// `Http1ProtocolOptions`, of which no value is wrong.
pub(crate) fn http1_options(options: Option<&Http1ProtocolOptions>) -> Http1Options {
    let Some(options) = options else { return Http1Options::default() };
    Http1Options {
        enable_trailers: options.enable_trailers,
        accept_http_10: options.accept_http_10,
        default_host_for_http_10: Some(&options.default_host_for_http_10)
            .filter(|host| !host.is_empty())
            .map(|host| host.as_str().into()),
        disallow_absolute_url: options.allow_absolute_url.is_some_and(|allow| !allow.value),
        header_case: header_case(options),
    }
}

/// Formatters that are extensions are not supported, which the survey says.
fn header_case(options: &Http1ProtocolOptions) -> HeaderCase {
    let format =
        options.header_key_format.as_ref().and_then(|format| format.header_format.as_ref());
    match format {
        Some(HeaderFormat::ProperCaseWords(_)) => HeaderCase::ProperWords,
        Some(HeaderFormat::StatefulFormatter(_)) | None => HeaderCase::Lower,
    }
}

/// `Http2ProtocolOptions`, read by `reader`.
pub(crate) fn http2_options(
    options: Option<&Http2ProtocolOptions>,
    reader: &mut Reader<'_, '_>,
) -> Http2Options {
    // RFC 9113: a stream ID has 31 bits, and so has a window; 65,535 is where a window starts.
    const MAX: u32 = i32::MAX as u32;
    const FIRST_WINDOW: u32 = 65_535;
    let mut translated = Http2Options::default();
    let Some(options) = options else { return translated };
    translated.allow_connect = options.allow_connect;
    let mut limit = |field, value: &Option<UInt32Value>, least, target: &mut u32| {
        let in_range = |value: &UInt32Value| {
            let value = value.value;
            let fits = (least..=MAX).contains(&value);
            fits.then_some(value).ok_or_else(|| format!("{value} is not from {least} to {MAX}"))
        };
        if let Some(value) = reader.read(field, value.as_ref(), in_range) {
            *target = value;
        }
    };
    limit(
        "max_concurrent_streams",
        &options.max_concurrent_streams,
        1,
        &mut translated.max_concurrent_streams,
    );
    limit(
        "initial_stream_window_size",
        &options.initial_stream_window_size,
        FIRST_WINDOW,
        &mut translated.initial_stream_window_size,
    );
    limit(
        "initial_connection_window_size",
        &options.initial_connection_window_size,
        FIRST_WINDOW,
        &mut translated.initial_connection_window_size,
    );
    translated.keepalive = options
        .connection_keepalive
        .as_ref()
        .and_then(|settings| keepalive(settings, &mut reader.field("connection_keepalive")));
    translated
}

fn keepalive(settings: &KeepaliveSettings, reader: &mut Reader<'_, '_>) -> Option<Http2Keepalive> {
    let KeepaliveSettings { interval, timeout, interval_jitter, connection_idle_interval } =
        settings;
    let interval = reader.read("interval", interval.as_ref(), at_least_a_millisecond);
    reader.read("interval_jitter", interval_jitter.as_ref(), proto::percent);
    let idle = connection_idle_interval.as_ref();
    reader.read("connection_idle_interval", idle, at_least_a_millisecond);
    if timeout.is_none() {
        reader.field("timeout").refuse("must be set");
    }
    let timeout = reader.read("timeout", timeout.as_ref(), at_least_a_millisecond)?;
    Some(Http2Keepalive { interval, timeout })
}

fn at_least_a_millisecond(value: &protobuf::Duration) -> Result<Duration, Fault> {
    let value = proto::duration(value)?;
    if value < Duration::from_millis(1) { Err("must be at least 1 ms".into()) } else { Ok(value) }
}
