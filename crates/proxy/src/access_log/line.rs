//! What a line is made from.

use std::io::Write as _;

use destrier_policy::AccessLogOperator;
use destrier_upstream::ResponseFlag;

/// The value of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Text was written.
    Text,
    /// A decimal number was written.
    Number,
    /// There is none; nothing was written.
    Absent,
}

/// Something that a line is written about.
pub(super) trait Line {
    /// Appends the value of an operator.
    fn write(&self, operator: &AccessLogOperator, out: &mut Vec<u8>) -> Value;
}

/// Appends a text.
pub(super) fn text(out: &mut Vec<u8>, text: &[u8]) -> Value {
    out.extend_from_slice(text);
    Value::Text
}

/// Appends a text if there is one.
pub(super) fn maybe(out: &mut Vec<u8>, value: Option<&[u8]>) -> Value {
    value.map_or(Value::Absent, |value| text(out, value))
}

/// Appends what can be displayed.
pub(super) fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) -> Value {
    // A vector takes everything.
    let _ = write!(out, "{value}");
    Value::Text
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, value: u64) -> Value {
    display(out, value);
    Value::Number
}

/// Appends flags by their short names, `-` for none.
pub(super) fn flags(out: &mut Vec<u8>, flags: &[ResponseFlag]) -> Value {
    join(out, flags, |flag| format!("{flag:?}").into())
}

/// Appends flags by their long names, `-` for none.
pub(super) fn long_flags(out: &mut Vec<u8>, flags: &[ResponseFlag]) -> Value {
    join(out, flags, |flag| long_name(flag).into())
}

fn join(
    out: &mut Vec<u8>,
    flags: &[ResponseFlag],
    name: impl Fn(ResponseFlag) -> std::borrow::Cow<'static, str>,
) -> Value {
    for (index, flag) in flags.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        out.extend_from_slice(name(*flag).as_bytes());
    }
    if flags.is_empty() { text(out, b"-") } else { Value::Text }
}

/// `%RESPONSE_FLAGS_LONG%`.
fn long_name(flag: ResponseFlag) -> &'static str {
    match flag {
        ResponseFlag::NC => "NoClusterFound",
        ResponseFlag::NR => "NoRouteFound",
        ResponseFlag::UH => "NoHealthyUpstream",
        ResponseFlag::UF => "UpstreamConnectionFailure",
        ResponseFlag::UO => "UpstreamOverflow",
        ResponseFlag::UC => "UpstreamConnectionTermination",
        ResponseFlag::UR => "UpstreamRemoteReset",
        ResponseFlag::UT => "UpstreamRequestTimeout",
        ResponseFlag::UPE => "UpstreamProtocolError",
        ResponseFlag::UDO => "UnconditionalDropOverload",
        ResponseFlag::DC => "DownstreamConnectionTermination",
        ResponseFlag::DR => "DownstreamRemoteReset",
        ResponseFlag::DPE => "DownstreamProtocolError",
        ResponseFlag::SI => "StreamIdleTimeout",
        ResponseFlag::UMSDR => "UpstreamMaxStreamDurationReached",
        ResponseFlag::DT => "DurationTimeout",
        ResponseFlag::DI => "DelayInjected",
        ResponseFlag::RL => "RateLimited",
        ResponseFlag::LH => "FailedLocalHealthCheck",
        ResponseFlag::IH => "InvalidEnvoyRequestHeaders",
        ResponseFlag::URX => "UpstreamRetryLimitExceeded",
        ResponseFlag::LR => "LocalReset",
    }
}
