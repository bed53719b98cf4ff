//! `/stats` for people and for pilot-agent: one `name: value` a line, sorted; text readouts first,
//! histograms last.

use std::fmt::Write as _;

use super::Wanted;
use super::collect::{Kind, Stat};
use super::distribution::{Buckets, Distribution, ms};
use super::source::Group;
use crate::stream::{Gone, Out};

/// The kinds in the order in which they are shown, those of one list sorted together.
const PASSES: [fn(Kind) -> bool; 3] = [
    |kind| kind == Kind::Text,
    |kind| matches!(kind, Kind::Counter | Kind::Gauge),
    |kind| kind == Kind::Histogram,
];

pub(super) async fn render(
    mut out: Out,
    groups: Vec<Group>,
    wanted: Wanted,
    buckets: Buckets,
) -> Result<Out, Gone> {
    for shown in PASSES {
        for group in &groups {
            for (name, stat) in group.collect(&wanted, |stat| shown(stat.kind())) {
                write_line(out.text(), &name, &stat, buckets);
            }
            out.step().await?;
        }
    }
    Ok(out)
}

/// The same lines in a page. Names come from the control plane, and are escaped.
pub(super) async fn render_html(
    mut out: Out,
    groups: Vec<Group>,
    wanted: Wanted,
    buckets: Buckets,
) -> Result<Out, Gone> {
    out.text().push_str(
        "<!DOCTYPE html>\n<html lang='en'>\n<head><title>Statistics</title></head>\n<body>\n<pre>\n",
    );
    let mut line = String::new();
    for shown in PASSES {
        for group in &groups {
            for (name, stat) in group.collect(&wanted, |stat| shown(stat.kind())) {
                line.clear();
                write_line(&mut line, &name, &stat, buckets);
                out.text().push_str(&crate::home::escaped(&line));
            }
            out.step().await?;
        }
    }
    out.text().push_str("</pre>\n</body>\n</html>\n");
    Ok(out)
}

/// Writing to a `String` cannot fail, hence the ignored results.
fn write_line(into: &mut String, name: &str, stat: &Stat, buckets: Buckets) {
    let _ = match stat {
        Stat::Text(text) => writeln!(into, "{name}: \"{text}\""),
        Stat::Counter(value) | Stat::Gauge(value) => writeln!(into, "{name}: {value}"),
        Stat::Histogram(histogram) if histogram.count == 0 => {
            writeln!(into, "{name}: No recorded values")
        }
        Stat::Histogram(histogram) => writeln!(into, "{name}:{}", shown(histogram, buckets)),
    };
}

/// Of each pair of figures the first is that of the last interval, which is not kept.
fn shown(histogram: &Distribution, buckets: Buckets) -> String {
    let counts = |counts: &mut dyn Iterator<Item = (f64, u64)>| {
        counts.fold(String::new(), |text, (bound, count)| {
            text + &format!(" B{}(0,{count})", significant(bound))
        })
    };
    match buckets {
        Buckets::Summary => format!(" {}", quantiles(histogram)),
        Buckets::Cumulative => counts(&mut histogram.cumulative()),
        Buckets::Disjoint => counts(&mut histogram.disjoint()),
        Buckets::Detailed => {
            let bins = histogram.bins.iter();
            let bins =
                bins.map(|bin| format!("{},{}:{}", ms(bin.start_us), ms(bin.width_us), bin.count));
            let bins: Vec<String> = bins.collect();
            let quantiles = quantiles(histogram);
            format!("\n  totals={}\n  intervals=\n  summary={quantiles}", bins.join(", "))
        }
    }
}

fn quantiles(histogram: &Distribution) -> String {
    let quantiles = Distribution::QUANTILES.iter().zip(&histogram.quantiles);
    let shown = quantiles.map(|(percent, value)| format!("P{percent}(nan,{value})"));
    shown.collect::<Vec<_>>().join(" ")
}

/// As C++ prints a number with six digits: from a million on as a power of ten.
fn significant(value: f64) -> String {
    if value < 1e6 {
        return value.to_string();
    }
    let exponent = value.log10().floor();
    format!("{}e+{exponent:02}", value / 10f64.powf(exponent))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use destrier_upstream::Histogram;

    use super::*;

    /// The values of a histogram of the recordings.
    fn recorded() -> Stat {
        let histogram = Histogram::default();
        for ms in [0, 0, 0, 3, 600, 1000] {
            histogram.record(Duration::from_millis(ms));
        }
        Stat::Histogram(Box::new(Distribution::of(&histogram)))
    }

    fn line(buckets: Buckets) -> String {
        let mut line = String::new();
        write_line(&mut line, "x", &recorded(), buckets);
        line
    }

    #[test]
    fn quantiles_and_buckets_have_envoys_form() {
        let summary = line(Buckets::Summary);
        assert!(summary.starts_with("x: P0(nan,"), "{summary}");
        assert!(
            summary.ends_with(
                " P75(nan,605) P90(nan,1050) P95(nan,1050) P99(nan,1050) P99.5(nan,1050) \
                 P99.9(nan,1050) P100(nan,1050)\n"
            ),
            "{summary}"
        );
        let disjoint = line(Buckets::Disjoint);
        assert!(disjoint.starts_with("x: B0.5(0,3) B1(0,0) B5(0,1) B10(0,0) "), "{disjoint}");
        assert!(disjoint.ends_with(" B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)\n"), "{disjoint}");
        let detailed = line(Buckets::Detailed);
        assert!(detailed.contains("3,0.1:1, 600,10:1, 1000,100:1\n  intervals=\n"), "{detailed}");
    }
}
