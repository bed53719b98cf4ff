//! Spellings of a host that mean the same are made one, before a virtual host is chosen by it.

use destrier_policy::{HostForm, StripPort};

/// The host in the form that is asked for; `None` when it was so already. `port` is that of the listener.
pub(super) fn bring_into_form(host: &str, form: HostForm, port: Option<u16>) -> Option<String> {
    let mut formed = host.to_owned();
    if form.strip_trailing_dot {
        let (name, rest) = formed.split_at(port_at(&formed).unwrap_or(formed.len()));
        if let Some(name) = name.strip_suffix('.') {
            formed = [name, rest].concat();
        }
    }
    let strips = |found: u32| match form.strip_port {
        StripPort::Never => false,
        StripPort::Matching => port.is_some_and(|port| found == u32::from(port)),
        StripPort::Any => true,
    };
    if let Some(at) = port_at(&formed)
        && formed[at + 1..].parse().is_ok_and(strips)
    {
        formed.truncate(at);
    }
    (formed != host).then_some(formed)
}

/// Where the colon before the port is; those of an IPv6 address stand in brackets.
fn port_at(host: &str) -> Option<usize> {
    let colon = host.rfind(':')?;
    host.rfind(']').is_none_or(|bracket| bracket < colon).then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_what_envoy_makes_of_them() {
        // Measured with Envoy 1.40: any port, that of the listener (80), any port and a dot at the end.
        for (host, any, matching, dot) in [
            ("h:80", "h", "h", "h"),
            ("h:81", "h", "h:81", "h"),
            ("h", "h", "h", "h"),
            ("h.", "h.", "h.", "h"),
            ("h.:80", "h.", "h.", "h"),
            ("h.:x", "h.:x", "h.:x", "h:x"),
            ("[::1]:81", "[::1]", "[::1]:81", "[::1]"),
            ("[::1]", "[::1]", "[::1]", "[::1]"),
            ("h:", "h:", "h:", "h:"),
            ("1.2.3.4:99", "1.2.3.4", "1.2.3.4:99", "1.2.3.4"),
            ("h..", "h..", "h..", "h."),
            ("h:99999999999", "h:99999999999", "h:99999999999", "h:99999999999"),
            ("", "", "", ""),
        ] {
            for (strip_trailing_dot, strip_port, wanted) in [
                (false, StripPort::Any, any),
                (false, StripPort::Matching, matching),
                (true, StripPort::Any, dot),
                (false, StripPort::Never, host),
            ] {
                let form = HostForm { strip_trailing_dot, strip_port };
                let formed = bring_into_form(host, form, Some(80));
                assert_eq!(formed.as_deref().unwrap_or(host), wanted, "{host} {form:?}");
            }
        }
    }
}
