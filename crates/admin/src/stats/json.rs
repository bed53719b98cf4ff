//! `/stats?format=json`, on one line, in Envoy's shape.

use serde_json::{Value, json};

use super::Wanted;
use super::collect::{Kind, Stat};
use super::distribution::{Buckets, Distribution, ms};
use super::source::Group;
use crate::stream::{Gone, Out};

pub(super) async fn render(
    mut out: Out,
    groups: Vec<Group>,
    wanted: Wanted,
    buckets: Buckets,
) -> Result<Out, Gone> {
    out.text().push_str("{\"stats\":[");
    let mut separator = "";
    for texts in [true, false] {
        for group in &groups {
            let picks = |stat: &Stat| {
                stat.kind() != Kind::Histogram && (stat.kind() == Kind::Text) == texts
            };
            for (name, stat) in group.collect(&wanted, picks) {
                let value = match stat {
                    Stat::Text(text) => Value::from(text),
                    Stat::Counter(value) | Stat::Gauge(value) => value.into(),
                    Stat::Histogram(_) => continue,
                };
                out.text().push_str(std::mem::replace(&mut separator, ","));
                out.text().push_str(&json!({ "name": name, "value": value }).to_string());
            }
            out.step().await?;
        }
    }
    let mut began = false;
    for group in &groups {
        for (name, stat) in group.collect(&wanted, |stat| stat.kind() == Kind::Histogram) {
            let Stat::Histogram(histogram) = stat else { continue };
            if std::mem::replace(&mut began, true) {
                out.text().push(',');
            } else {
                out.text().push_str(separator);
                out.text().push_str(&opening(buckets));
            }
            out.text().push_str(&shown(&name, &histogram, buckets).to_string());
        }
        out.step().await?;
    }
    if began {
        out.text().push_str(closing(buckets));
    }
    out.text().push_str("]}");
    Ok(out)
}

/// What stands before the list of histograms.
fn opening(buckets: Buckets) -> String {
    let quantiles: Vec<Value> = Distribution::QUANTILES.into_iter().map(number).collect();
    let quantiles = Value::from(quantiles);
    match buckets {
        Buckets::Summary => format!(
            "{{\"histograms\":{{\"supported_quantiles\":{quantiles},\"computed_quantiles\":["
        ),
        Buckets::Detailed => {
            format!("{{\"histograms\":{{\"supported_percentiles\":{quantiles},\"details\":[")
        }
        Buckets::Cumulative | Buckets::Disjoint => "{\"histograms\":[".to_owned(),
    }
}

/// What ends it.
fn closing(buckets: Buckets) -> &'static str {
    match buckets {
        Buckets::Summary | Buckets::Detailed => "]}}",
        Buckets::Cumulative | Buckets::Disjoint => "]}",
    }
}

fn shown(name: &str, histogram: &Distribution, buckets: Buckets) -> Value {
    let bounds = |counts: &mut dyn Iterator<Item = (f64, u64)>| -> Value {
        counts
            .map(|(bound, count)| {
                // The interval is not kept.
                json!({ "upper_bound": number(bound), "interval": 0, "cumulative": count })
            })
            .collect()
    };
    match buckets {
        Buckets::Summary => json!({ "name": name, "values": quantiles(histogram) }),
        Buckets::Cumulative => {
            json!({ "name": name, "buckets": bounds(&mut histogram.cumulative()) })
        }
        Buckets::Disjoint => json!({ "name": name, "buckets": bounds(&mut histogram.disjoint()) }),
        Buckets::Detailed => {
            let bins = histogram.bins.iter().map(|bin| {
                json!({
                    "lower_bound": number(ms(bin.start_us)),
                    "width": number(ms(bin.width_us)),
                    "count": bin.count,
                })
            });
            json!({
                "name": name,
                "totals": bins.collect::<Vec<_>>(),
                "intervals": [],
                "percentiles": quantiles(histogram),
            })
        }
    }
}

fn quantiles(histogram: &Distribution) -> Value {
    let values = histogram.quantiles.iter().map(|value| {
        let shown = if histogram.count == 0 { Value::Null } else { number(*value) };
        json!({ "cumulative": shown, "interval": null })
    });
    values.collect()
}

/// A whole number is printed without a point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return Value::from(value as i64);
    }
    Value::from(value)
}
