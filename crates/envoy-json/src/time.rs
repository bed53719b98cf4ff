//! `google.protobuf.Duration` and `Timestamp` as text.

/// What the protobuf specification allows: about 10,000 years.
const MAX_SECONDS: i64 = 315_576_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Seconds and nanoseconds of the same sign, from `"1.5s"`.
pub(crate) fn read_duration(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number),
    };
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.ends_with('.') || !is_digits(seconds) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds <= MAX_SECONDS)?;
    Some((sign * seconds, sign as i32 * read_nanos(fraction)?))
}

/// `"1.500s"`: no fraction, or three, six or nine digits of it.
pub(crate) fn write_duration(seconds: i64, nanos: i32) -> String {
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    format!("{sign}{}{}s", seconds.unsigned_abs(), write_nanos(nanos.unsigned_abs()))
}

/// Seconds since 1970 and nanoseconds, from RFC 3339 text.
pub(crate) fn read_timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, time) = text.split_once(['T', 't'])?;
    let (year, month, day) = three(date, '-')?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let (hour, minute, second) = three(clock, ':')?;
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some((seconds - read_zone(zone)?, read_nanos(fraction)?))
}

/// RFC 3339 in UTC.
pub(crate) fn write_timestamp(seconds: i64, nanos: i32) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        write_nanos(nanos.unsigned_abs())
    )
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_nanos(fraction: &str) -> Option<i32> {
    if fraction.is_empty() {
        return Some(0);
    }
    if !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    format!("{fraction:0<9}").parse().ok()
}

fn write_nanos(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        nanos if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        nanos => format!(".{nanos:09}"),
    }
}

fn three(text: &str, separator: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(separator);
    let mut next = || parts.next().filter(|part| is_digits(part))?.parse().ok();
    let found = (next()?, next()?, next()?);
    parts.next().is_none().then_some(found)
}

fn read_zone(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hour, minute) = zone.get(1..)?.split_once(':')?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then(|| sign * (i64::from(hour) * 3600 + i64::from(minute) * 60))
}

/// Howard Hinnant's `days_from_civil`: days since 1970-01-01 in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The way back.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_their_value_and_print_in_groups_of_three() {
        for (text, seconds, nanos, printed) in [
            ("0s", 0, 0, "0s"),
            ("0.25s", 0, 250_000_000, "0.250s"),
            ("10.000001s", 10, 1_000, "10.000001s"),
            ("-1.5s", -1, -500_000_000, "-1.500s"),
            ("0.000000001s", 0, 1, "0.000000001s"),
            ("315576000000s", 315_576_000_000, 0, "315576000000s"),
        ] {
            assert_eq!(read_duration(text), Some((seconds, nanos)), "{text}");
            assert_eq!(write_duration(seconds, nanos), printed);
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "",
            "s",
            "1",
            "1m",
            "1.s",
            ".5s",
            "1e3s",
            "--1s",
            "+1s",
            "1.0000000001s",
            "315576000001s",
        ] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_go_both_ways() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-23T06:53:26Z", 1_795_416_806),
            ("2000-02-29T23:59:59.500Z", 951_868_799),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
        ] {
            let (read, nanos) = read_timestamp(text).expect("a timestamp of RFC 3339");
            assert_eq!(read, seconds, "{text}");
            assert_eq!(write_timestamp(read, nanos), text);
        }
        assert_eq!(read_timestamp("1970-01-01T01:00:00+01:00"), Some((0, 0)));
        for text in ["1970-01-01", "2026-02-29T00:00:00Z", "1970-01-01T24:00:00Z", "now"] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }
}
