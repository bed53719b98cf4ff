//! `/stats` for people and for pilot-agent: one `name: value` a line, sorted; text readouts first,
//! histograms last.

use super::collect::{Distribution, Stat};

pub(super) fn render(stats: Vec<(String, Stat)>) -> String {
    let mut parts = [String::new(), String::new(), String::new()];
    for (name, stat) in stats {
        let (part, value) = match &stat {
            Stat::Text(text) => (0, format!("\"{text}\"")),
            Stat::Counter(value) | Stat::Gauge(value) => (1, value.to_string()),
            Stat::Histogram(histogram) => (2, quantiles(histogram)),
        };
        parts[part] += &format!("{name}: {value}\n");
    }
    parts.concat()
}

fn quantiles(histogram: &Distribution) -> String {
    if histogram.count == 0 {
        return "No recorded values".into();
    }
    let quantiles = Distribution::QUANTILES.iter().zip(&histogram.quantiles);
    // The first figure is that of the last interval, which is not kept.
    let shown = quantiles.map(|(percent, value)| format!("P{percent}(nan,{value})"));
    shown.collect::<Vec<_>>().join(" ")
}
