//! What is counted on the downstream side, under Envoy's names.

use destrier_upstream::StatValue;

/// Statistics of all listeners, connection managers and TCP proxies.
#[derive(Default)]
pub struct ProxyStats {}

impl ProxyStats {
    /// Calls `visit(name, value)` with the full name of each statistic that is kept:
    /// `listener.<address>.downstream_cx_total`, `http.<stat_prefix>.downstream_rq_2xx`,
    /// `tcp.<stat_prefix>.downstream_cx_total`, ...
    pub fn visit(&self, _visit: &mut dyn FnMut(&str, StatValue<'_>)) {}
}
