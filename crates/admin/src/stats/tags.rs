//! Tags: what Prometheus shows as labels (`stats.proto: StatsConfig.stats_tags`).

use regex::Regex;

/// Where a statistic belongs. Envoy finds this by patterns over the dotted name; here it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// `cluster.<observability name>.`
    Cluster(&'a str),
    /// `http.<stat prefix>.`
    Http(&'a str),
    /// `listener.<address>.`
    Listener(&'a str),
    /// `tcp.<stat prefix>.`
    Tcp(&'a str),
    /// No scope: the name stands alone.
    Plain,
}

impl<'a> Scope<'a> {
    /// The word before the value, the value, and Envoy's name of the default tag.
    fn parts(self) -> Option<(&'static str, &'a str, &'static str)> {
        match self {
            Self::Cluster(name) => Some(("cluster.", name, "envoy.cluster_name")),
            Self::Http(prefix) => Some(("http.", prefix, "envoy.http_conn_manager_prefix")),
            Self::Listener(address) => Some(("listener.", address, "envoy.listener_address")),
            Self::Tcp(prefix) => Some(("tcp.", prefix, "envoy.tcp_prefix")),
            Self::Plain => None,
        }
    }

    /// The dotted prefix of every statistic in the scope. Envoy writes `_` for the colons of a name.
    pub(crate) fn prefix(self) -> String {
        self.parts().map_or_else(String::new, |(word, value, _)| {
            format!("{word}{}.", value.replace(':', "_"))
        })
    }
}

/// A tag of the bootstrap.
#[derive(Clone, Debug)]
struct Custom {
    name: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Group 1 is cut out of the name; group 2, or else 1, is the value.
    Pattern(Regex),
    /// On every statistic.
    Fixed(String),
}

/// One tag of `stats_config.stats_tags`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsTag {
    /// `tag_name`.
    pub name: String,
    /// What it is taken from.
    pub value: StatsTagValue,
}

/// `tag_value` of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsTagValue {
    /// `regex`: its first group is cut out of the name.
    Regex(String),
    /// `fixed_value`.
    Fixed(String),
}

/// Whether Envoy's default tags are found as well (`use_all_default_tags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultTags {
    /// The default.
    #[default]
    All,
    /// Only what `stats_tags` names.
    None,
}

/// Takes tags out of names.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    defaults: DefaultTags,
    custom: Vec<Custom>,
}

impl Tags {
    /// Compiles the tags of a bootstrap. Patterns that this regular expression engine does not know
    /// (look-around) are left out and returned, to be named once in the log.
    pub fn new(defaults: DefaultTags, tags: &[StatsTag]) -> (Self, Vec<String>) {
        let (mut custom, mut left_out) = (Vec::new(), Vec::new());
        for StatsTag { name, value } in tags {
            let rule = match value {
                StatsTagValue::Fixed(value) => Rule::Fixed(value.clone()),
                StatsTagValue::Regex(pattern) => match Regex::new(pattern) {
                    Ok(regex) => Rule::Pattern(regex),
                    Err(_) => {
                        left_out.push(format!("stats_config.stats_tags {name}: {pattern}"));
                        continue;
                    }
                },
            };
            custom.push(Custom { name: name.clone(), rule });
        }
        // Envoy tries patterns that may match anywhere before those that begin with a known word.
        custom.sort_by_key(
            |tag| matches!(&tag.rule, Rule::Pattern(p) if p.as_str().starts_with('^')),
        );
        (Self { defaults, custom }, left_out)
    }

    /// The name without its tags, and the tags in Envoy's order: custom ones, then response code, then the
    /// scope.
    pub(crate) fn extract(&self, scope: Scope<'_>, name: &str) -> (String, Vec<(String, String)>) {
        let full = scope.prefix() + name;
        let mut labels = Vec::new();
        let mut cuts = Vec::new();
        for Custom { name, rule } in &self.custom {
            match rule {
                Rule::Fixed(value) => labels.push((name.clone(), value.clone())),
                Rule::Pattern(regex) => {
                    let Some(found) = regex.captures(&full) else { continue };
                    let Some(cut) = found.get(1) else { continue };
                    cuts.push(cut.range());
                    let value = found.get(2).unwrap_or(cut);
                    labels.push((name.clone(), value.as_str().to_owned()));
                }
            }
        }
        if self.defaults == DefaultTags::All {
            if let Some((tag, value, cut)) = response_code(&full) {
                labels.push((tag.to_owned(), value.to_owned()));
                cuts.push(cut);
            }
            if let Some((word, value, tag)) = scope.parts() {
                labels.push((tag.to_owned(), value.to_owned()));
                cuts.push(word.len()..word.len() + value.len() + 1);
            }
        }
        (without(&full, cuts), labels)
    }
}

/// `..._rq_503` is `..._rq` with a code, `..._rq_5xx` is `..._rq_xx` with a class.
fn response_code(name: &str) -> Option<(&'static str, &str, std::ops::Range<usize>)> {
    let at = name.rfind("_rq_")? + "_rq".len();
    let tail = &name[at + 1..];
    match tail.as_bytes() {
        [a, b, c] if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => {
            Some(("envoy.response_code", tail, at..name.len()))
        }
        [digit, b'x', b'x'] if digit.is_ascii_digit() => {
            Some(("envoy.response_code_class", &tail[..1], at + 1..at + 2))
        }
        _ => None,
    }
}

/// `text` without the ranges, which may overlap.
fn without(text: &str, mut cuts: Vec<std::ops::Range<usize>>) -> String {
    cuts.sort_by_key(|cut| cut.start);
    let (mut rest, mut at) = (String::with_capacity(text.len()), 0);
    for cut in cuts {
        if cut.start > at {
            rest.push_str(&text[at..cut.start]);
        }
        at = at.max(cut.end);
    }
    rest.push_str(text.get(at..).unwrap_or_default());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tags: &Tags, scope: Scope<'_>, name: &str) -> String {
        let (name, labels) = tags.extract(scope, name);
        let labels: Vec<_> = labels.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
        format!("{name} {}", labels.join(","))
    }

    #[test]
    fn default_tags_are_envoys() {
        let tags = Tags::default();
        let cluster = Scope::Cluster("rr");
        assert_eq!(
            labels(&tags, cluster, "upstream_rq_200"),
            "cluster.upstream_rq envoy.response_code=200,envoy.cluster_name=rr"
        );
        assert_eq!(
            labels(&tags, cluster, "external.upstream_rq_5xx"),
            "cluster.external.upstream_rq_xx envoy.response_code_class=5,envoy.cluster_name=rr"
        );
        assert_eq!(
            labels(&tags, Scope::Http("in"), "downstream_rq_2xx"),
            "http.downstream_rq_xx envoy.response_code_class=2,envoy.http_conn_manager_prefix=in"
        );
        assert_eq!(labels(&tags, Scope::Plain, "server.live"), "server.live ");
        assert_eq!(
            labels(&tags, cluster, "upstream_rq_total"),
            "cluster.upstream_rq_total envoy.cluster_name=rr"
        );
    }

    #[test]
    fn istios_tags_replace_them() {
        let tag = |name: &str, pattern: &str| StatsTag {
            name: name.into(),
            value: StatsTagValue::Regex(pattern.into()),
        };
        let (tags, left_out) = Tags::new(
            DefaultTags::None,
            &[
                tag("cluster_name", r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"),
                tag("response_code", r"_rq(_(\d{3}))$"),
                tag("listener_prefix", r"^listener(?=\.).*?\.http\.((x)\.)"),
            ],
        );
        assert_eq!(left_out.len(), 1, "look-around is not known: {left_out:?}");
        let scope = Scope::Cluster("outbound|80||a.default.svc.cluster.local");
        assert_eq!(
            labels(&tags, scope, "upstream_rq_503"),
            "cluster.upstream_rq \
             response_code=503,cluster_name=outbound|80||a.default.svc.cluster.local"
        );
    }
}
