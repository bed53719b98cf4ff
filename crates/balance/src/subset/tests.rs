//! What the recorded vectors do not reach: bad input, and how tries follow each other.

use std::collections::BTreeMap;

use destrier_policy::{
    Metadata, MetadataMatch, SubsetFallback, SubsetPolicy, SubsetSelector, Value,
};

use super::*;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn metadata(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Metadata {
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Metadata(BTreeMap::from([("envoy.lb".to_owned(), fields)]))
}

fn asked(fields: impl IntoIterator<Item = (&'static str, Value)>) -> MetadataMatch {
    MetadataMatch(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn selector(keys: &[&str], fallback: SubsetFallback) -> SubsetSelector {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    SubsetSelector { keys, fallback, single_host_per_subset: false }
}

fn policy(selectors: impl Into<Box<[SubsetSelector]>>) -> SubsetPolicy {
    SubsetPolicy {
        fallback: SubsetFallback::None,
        default_subset: BTreeMap::new(),
        selectors: selectors.into(),
        locality_weight_aware: false,
        scale_locality_weight: false,
        panic_mode_any: false,
        list_as_any: false,
        metadata_fallback_list: false,
        allow_redundant_keys: false,
    }
}

/// The hosts of the groups that are tried, in order.
fn tries(index: &SubsetIndex, asked: &MetadataMatch) -> Vec<Vec<u32>> {
    let groups = index.choose(Some(asked));
    groups.map(|group| index.groups()[group].hosts.to_vec()).collect()
}

#[test]
fn alternatives_are_tried_one_after_the_other() {
    let hosts = [metadata([("v", text("1"))]), metadata([("v", text("2"))])];
    let mut policy = policy([selector(&["v"], SubsetFallback::NotDefined)]);
    policy.metadata_fallback_list = true;
    let index = SubsetIndex::new(&policy, &hosts);
    let alternative =
        |version: &str| Value::Struct(BTreeMap::from([("v".to_owned(), text(version))]));
    let list = Value::List(vec![alternative("2"), alternative("9"), alternative("1"), Value::Null]);
    let asked = asked([("fallback_list", list), ("v", text("1"))]);
    assert_eq!(tries(&index, &asked), [[1], [0], [0]], "the last one is no struct: as asked");
}

#[test]
fn in_panic_mode_all_hosts_come_after_a_default_that_gives_none() {
    let hosts = [metadata([("v", text("1"))]), metadata([])];
    let mut policy = policy([selector(&["v"], SubsetFallback::NotDefined)]);
    policy.fallback = SubsetFallback::DefaultSubset;
    policy.default_subset = BTreeMap::from([("v".to_owned(), text("8"))]);
    policy.panic_mode_any = true;
    let index = SubsetIndex::new(&policy, &hosts);
    assert_eq!(tries(&index, &asked([("v", text("9"))])), [vec![], vec![0, 1]]);
    assert_eq!(tries(&index, &asked([("v", text("1"))])), [[0]], "a subset has no last resort");
}

#[test]
fn only_the_first_host_of_a_group_of_one_is_kept() {
    let hosts = [metadata([("v", text("1"))]), metadata([("v", text("1"))])];
    let mut single = selector(&["v"], SubsetFallback::NotDefined);
    single.single_host_per_subset = true;
    let index = SubsetIndex::new(&policy([single]), &hosts);
    assert_eq!(tries(&index, &asked([("v", text("1"))])), [[0]]);
    assert_eq!(index.duplicates(), 1);
    assert!(index.groups()[0].is_single);
}

#[test]
fn lists_that_multiply_do_not_fill_the_memory() {
    let list = || Value::List((0..40).map(|number| text(&number.to_string())).collect());
    let hosts = [
        metadata([("a", list()), ("b", list())]),
        metadata([("a", text("1")), ("b", list())]),
        metadata([("a", Value::List(Vec::new())), ("b", list())]),
        metadata([("a", Value::List(vec![text("x"), text("x")])), ("b", text("y"))]),
    ];
    let mut policy = policy([selector(&["a", "b"], SubsetFallback::NotDefined)]);
    policy.list_as_any = true;
    let index = SubsetIndex::new(&policy, &hosts);
    assert_eq!(index.left_out(), 1, "1,600 combinations");
    assert_eq!(index.groups().len(), 41);
    assert_eq!(tries(&index, &asked([("a", text("1")), ("b", text("39"))])), [[1]]);
    assert_eq!(tries(&index, &asked([("a", text("x")), ("b", text("y"))])), [[3]]);
}

/// The control plane's reader refuses such policies; what is left must end all the same.
#[test]
fn keys_that_lead_in_a_circle_come_to_an_end() {
    let keys = |key: &str| SubsetFallback::Keys(Box::from([key.to_owned()]));
    let policy = policy([selector(&["a"], keys("a")), selector(&[], keys("a"))]);
    let index = SubsetIndex::new(&policy, &[metadata([])]);
    assert_eq!(tries(&index, &asked([("a", text("1"))])), [[0u32; 0]; 0]);
    assert_eq!(tries(&index, &asked([])), [[0u32; 0]; 0]);
    assert_eq!(index.choose(None).count(), 0);
}

#[test]
fn no_hosts_make_no_groups_but_those_of_fallbacks() {
    let mut policy = policy([selector(&["a"], SubsetFallback::AnyEndpoint)]);
    policy.fallback = SubsetFallback::DefaultSubset;
    let index = SubsetIndex::new(&policy, []);
    assert_eq!(index.groups().len(), 2);
    assert!(index.groups().iter().all(|group| group.hosts.is_empty()));
}

#[test]
fn values_are_equal_by_kind_and_content() {
    let values = [
        Value::Null,
        Value::Bool(false),
        Value::Number(0.0),
        text(""),
        Value::List(vec![]),
        Value::Struct(BTreeMap::new()),
        text("0"),
        Value::List(vec![text("0")]),
    ];
    let hosts: Vec<_> = values.iter().map(|value| metadata([("v", value.clone())])).collect();
    let policy = policy([selector(&["v"], SubsetFallback::NotDefined)]);
    let index = SubsetIndex::new(&policy, &hosts);
    for (value, host) in values.into_iter().zip(0..) {
        assert_eq!(tries(&index, &asked([("v", value)])), [[host]]);
    }
    assert_eq!(tries(&index, &asked([("v", Value::Number(-0.0))])), [[2]], "zero is zero");
    assert_eq!(tries(&index, &asked([("v", Value::Number(f64::NAN))])), [[0u32; 0]; 0]);
}

#[test]
fn groups_are_told_apart_by_keys_and_values() {
    let hosts = [metadata([("a", text("x"))]), metadata([("b", text("x"))])];
    let selectors = ["b", "a"].map(|key| selector(&[key], SubsetFallback::NotDefined));
    let index = SubsetIndex::new(&policy(selectors.clone()), &hosts);
    let keys: Vec<u64> = index.groups().iter().map(SubsetGroup::key).collect();
    assert_ne!(keys[0], keys[1]);
    let [b, a] = selectors;
    let index = SubsetIndex::new(&policy([a, b]), hosts.iter().rev());
    let again: Vec<u64> = index.groups().iter().map(SubsetGroup::key).collect();
    assert_eq!(again, [keys[1], keys[0]], "whatever the order of hosts and selectors");
}

#[test]
fn there_are_not_more_groups_than_memory_is_meant_for() {
    let list =
        |host: usize| (0..1024).map(move |number| text(&format!("{host}-{number}"))).collect();
    let hosts: Vec<_> = (0..65).map(|host| metadata([("a", Value::List(list(host)))])).collect();
    let mut policy = policy([selector(&["a"], SubsetFallback::AnyEndpoint)]);
    policy.list_as_any = true;
    let index = SubsetIndex::new(&policy, &hosts);
    assert_eq!(index.groups().len(), 65_536 + 1, "and that of all hosts");
    assert_eq!(index.left_out(), 1024);
    let last = asked([("a", text("64-0"))]);
    assert_eq!(tries(&index, &last)[0].len(), 65, "what is left out falls back");
}
