//! Rings.

use super::*;

const R1: [(u64, u16); 12] = [
    (833437586790550860, 94),
    (928266305478181108, 92),
    (1033482794131418490, 90),
    (3551244743356806947, 95),
    (3851675632748031481, 93),
    (5583722120771150861, 91),
    (6311230543546372928, 91),
    (7700377290971790572, 93),
    (13144177310400110813, 95),
    (13444792449719432967, 92),
    (15516499411664133160, 94),
    (16117243373044804889, 90),
];

#[test]
fn a_ring_has_the_points_of_its_hosts_and_a_hash_belongs_to_the_next_point() {
    let hosts = equal(90..96);
    let table = build(&ring_policy(12, 8_388_608), &hosts);
    assert_eq!(ports(&table, &hosts), R1);
    let stats = table.stats();
    assert_eq!((stats.size, stats.min_per_host, stats.max_per_host), (12, 2, 2));
    let lookups = [
        (0, 0, 94),
        (833437586790550860, 0, 94),
        (833437586790550861, 0, 92),
        (3551244743356806947, 0, 95),
        (3551244743356806948, 0, 93),
        (16117243373044804880, 0, 90),
        (u64::MAX, 0, 94),
        (0, 1, 92),
        (0, 2, 90),
        (0, 12, 94),
        (0, 13, 92),
    ];
    for (hash, attempt, port) in lookups {
        assert_eq!(pick(&table, hash, attempt), Some(port - 90), "{hash}, attempt {attempt}");
    }
}

#[test]
fn a_ring_of_murmur_hashes() {
    let hosts = equal(80..86);
    let policy = LbPolicy::RingHash {
        minimum_ring_size: 12,
        maximum_ring_size: 8_388_608,
        hash_function: HashFunction::MurmurHash2,
        hashing: ConsistentHashing::default(),
    };
    let expected = [
        (1358027074129602068, 85),
        (4361834613929391114, 83),
        (7224494972555149682, 84),
        (7701421856454313576, 81),
        (8649315368077433379, 82),
        (8739448859063030639, 84),
        (9887544217113020895, 81),
        (10150910876324007731, 82),
        (15168472011420622455, 83),
        (15427156902705414897, 80),
        (16375050414328759093, 85),
        (17613279263364193813, 80),
    ];
    let table = build(&policy, &hosts);
    assert_eq!(ports(&table, &hosts), expected);
    assert_eq!(pick(&table, 0, 0), Some(5));
    assert_eq!(pick(&table, 1358027074129602069, 0), Some(3));
    assert_eq!(pick(&table, 10150910876324007730, 0), Some(2));
    assert_eq!(pick(&table, u64::MAX, 0), Some(5));
}

#[test]
fn keys_may_be_any_text() {
    let hosts = keyed(["90", "91", "92", "93", "94", "95"].map(|key| (key, 1.0 / 6.0)));
    let expected = [
        (1975508444536362413, "95"),
        (2376063919839173711, "95"),
        (2386806903309390596, "93"),
        (6749904478991551885, "94"),
        (6803900775736438537, "93"),
        (7225015537174310577, "92"),
        (8787465352164086522, "90"),
        (11282020843382717940, "92"),
        (13723418369486627818, "91"),
        (13776502110861797421, "90"),
        (14338313586354474791, "91"),
        (15364271037087512980, "94"),
    ];
    assert_eq!(entries(&build(&ring_policy(12, 8_388_608), &hosts), &hosts), expected);
    let hosts = keyed(["alpha", "beta", "127.0.0.1:92"].map(|key| (key, 1.0 / 3.0)));
    let expected = [
        (928266305478181108, "127.0.0.1:92"),
        (5136964177739339244, "alpha"),
        (5855619025828831642, "beta"),
        (8942265381152561789, "alpha"),
        (13444792449719432967, "127.0.0.1:92"),
        (17910071645796586927, "beta"),
    ];
    assert_eq!(entries(&build(&ring_policy(6, 8_388_608), &hosts), &hosts), expected);
}

#[test]
fn small_rings_of_equal_hosts() {
    type Row<'a> = (&'a [u16], u64, u64, &'a [(u64, u16)]);
    let rows: [Row<'_>; 5] = [
        (
            &[80, 81],
            3,
            8_388_608,
            &[
                (5454692015285649509, 80),
                (7859399908942313493, 81),
                (13838424394637650569, 80),
                (16064866803292627174, 81),
            ],
        ),
        (
            &[81, 82],
            3,
            8_388_608,
            &[
                (7859399908942313493, 81),
                (8241336090459785962, 82),
                (12882406409176325258, 82),
                (16064866803292627174, 81),
            ],
        ),
        (
            &[90, 91, 92, 93],
            6,
            6,
            &[
                (928266305478181108, 92),
                (1033482794131418490, 90),
                (3851675632748031481, 93),
                (5583722120771150861, 91),
                (13444792449719432967, 92),
                (16117243373044804889, 90),
            ],
        ),
        (
            &[90, 91, 92, 93],
            1,
            6,
            &[
                (928266305478181108, 92),
                (3851675632748031481, 93),
                (5583722120771150861, 91),
                (16117243373044804889, 90),
            ],
        ),
        (&[90, 91, 92, 93], 2, 2, &[(928266305478181108, 92), (16117243373044804889, 90)]),
    ];
    for (hosts, minimum, maximum, expected) in rows {
        let hosts = equal(hosts.iter().copied());
        let table = build(&ring_policy(minimum, maximum), &hosts);
        assert_eq!(ports(&table, &hosts), expected, "{minimum} to {maximum}");
    }
}

#[test]
fn points_are_in_proportion_to_weights() {
    let hosts = of_weights(&[(90, 1), (91, 2), (92, 3)]);
    let expected = [
        (928266305478181108, 92),
        (4443673547860492590, 92),
        (5583722120771150861, 91),
        (6311230543546372928, 91),
        (13444792449719432967, 92),
        (16117243373044804889, 90),
    ];
    assert_eq!(ports(&build(&ring_policy(6, 6), &hosts), &hosts), expected);
    let table = build(&ring_policy(6144, 8_388_608), &hosts);
    assert_eq!(table.entries_per_host(), [1024, 2048, 3072]);
    let mut picks = [0; 3];
    for index in 0..6000 {
        let host = pick(&table, index * (u64::MAX / 6000), 0).expect("has hosts");
        picks[host as usize] += 1;
    }
    assert_eq!(picks, [987, 1932, 3081]);
}

#[test]
fn localities_share_a_ring() {
    let hosts = weighted([
        (90, in_locality(1, 3, 1, 3)),
        (91, in_locality(1, 3, 2, 3)),
        (92, in_locality(2, 3, 1, 3)),
        (93, in_locality(2, 3, 2, 3)),
    ]);
    let expected = [
        (928266305478181108, 92),
        (3851675632748031481, 93),
        (5583722120771150861, 91),
        (6311230543546372928, 91),
        (7700377290971790572, 93),
        (12559126875973811811, 93),
        (13444792449719432967, 92),
        (13784988426630141778, 93),
        (16117243373044804889, 90),
    ];
    assert_eq!(ports(&build(&ring_policy(9, 8_388_608), &hosts), &hosts), expected);
    let table = build(&ring_policy(9216, 8_388_608), &hosts);
    assert_eq!(table.entries_per_host(), [1024, 2048, 2048, 4096]);
    let mut picks = [0; 4];
    for index in 0..9000 {
        let host = pick(&table, index * (u64::MAX / 9000), 0).expect("has hosts");
        picks[host as usize] += 1;
    }
    assert_eq!(picks, [924, 2009, 2053, 4014]);
}

#[test]
fn a_ring_of_one_heavy_and_many_light_hosts() {
    let hosts = lopsided();
    let table = build(&ring_policy(1024, 1024), &hosts);
    let light: Vec<_> = entries(&table, &hosts)
        .into_iter()
        .filter(|(_, key)| *key != "127.0.0.1:0")
        .map(|(hash, key)| (key.trim_start_matches("127.0.0.1:"), hash))
        .collect();
    assert_eq!(table.entries_per_host()[0], 1016);
    let mut expected = [
        ("1", 11664790346325243808),
        ("128", 15894554872961148518),
        ("256", 13958138884277627155),
        ("384", 15803774069438192949),
        ("512", 3829253010855396576),
        ("640", 17918147347826565154),
        ("768", 6442769608292299103),
        ("896", 5881074926069334434),
    ];
    expected.sort_by_key(|(_, hash)| *hash);
    assert_eq!(light, expected);
}

#[test]
fn sizes_of_rings() {
    let table = build(&ring_policy(1023, 1023), &equal(90..92));
    assert_eq!(table.entries_per_host(), [512, 511]);
    let table = build(&ring_policy(1024, 8_388_608), &equal(90..95));
    assert_eq!(table.entries_per_host(), [205; 5]);
}

#[test]
fn a_ring_of_other_addresses() {
    let keys: Vec<_> = (1..=5).map(|last| format!("10.244.1.{last}:8080")).collect();
    let hosts = keyed(keys.iter().map(|key| (&**key, 0.2)));
    let expected = [
        (4249955838039514309, 4),
        (5114665132248356682, 2),
        (6125228019085164794, 1),
        (6137864197319787776, 4),
        (7578635869007124564, 3),
        (9943299850036942482, 5),
        (10838472127002385951, 5),
        (10978205510330042375, 1),
        (14083306285433456349, 2),
        (14439816008243127553, 3),
    ];
    let table = build(&ring_policy(10, 8_388_608), &hosts);
    let last = table.entries().into_iter().map(|(hash, host)| (hash, host + 1));
    assert_eq!(last.collect::<Vec<_>>(), expected);
}
