//! Names of response flags.

use destrier_upstream::ResponseFlag;

use super::line::{Value, text};

/// Which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagName {
    /// `%RESPONSE_FLAGS%`.
    Short,
    /// `%RESPONSE_FLAGS_LONG%`.
    Long,
}

/// Appends the names of flags, `-` for none.
pub(super) fn write(out: &mut Vec<u8>, flags: &[ResponseFlag], which: FlagName) -> Value {
    if flags.is_empty() {
        return text(out, b"-");
    }
    for (index, flag) in flags.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let (short, long) = names(*flag);
        out.extend_from_slice(match which {
            FlagName::Short => short.as_bytes(),
            FlagName::Long => long.as_bytes(),
        });
    }
    Value::Text
}

/// The short and the long name.
pub(super) fn names(flag: ResponseFlag) -> (&'static str, &'static str) {
    match flag {
        ResponseFlag::NC => ("NC", "NoClusterFound"),
        ResponseFlag::NR => ("NR", "NoRouteFound"),
        ResponseFlag::UH => ("UH", "NoHealthyUpstream"),
        ResponseFlag::UF => ("UF", "UpstreamConnectionFailure"),
        ResponseFlag::UO => ("UO", "UpstreamOverflow"),
        ResponseFlag::UC => ("UC", "UpstreamConnectionTermination"),
        ResponseFlag::UR => ("UR", "UpstreamRemoteReset"),
        ResponseFlag::UT => ("UT", "UpstreamRequestTimeout"),
        ResponseFlag::UPE => ("UPE", "UpstreamProtocolError"),
        ResponseFlag::UDO => ("UDO", "UnconditionalDropOverload"),
        ResponseFlag::DC => ("DC", "DownstreamConnectionTermination"),
        ResponseFlag::DR => ("DR", "DownstreamRemoteReset"),
        ResponseFlag::DPE => ("DPE", "DownstreamProtocolError"),
        ResponseFlag::SI => ("SI", "StreamIdleTimeout"),
        ResponseFlag::UMSDR => ("UMSDR", "UpstreamMaxStreamDurationReached"),
        ResponseFlag::DT => ("DT", "DurationTimeout"),
        ResponseFlag::DI => ("DI", "DelayInjected"),
        ResponseFlag::RL => ("RL", "RateLimited"),
        ResponseFlag::LH => ("LH", "FailedLocalHealthCheck"),
        ResponseFlag::IH => ("IH", "InvalidEnvoyRequestHeaders"),
        ResponseFlag::URX => ("URX", "UpstreamRetryLimitExceeded"),
        ResponseFlag::LR => ("LR", "LocalReset"),
    }
}
