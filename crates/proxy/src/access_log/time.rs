//! Times and the name of this machine.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::line::Value;

/// `%START_TIME%` without a format of its own.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "a driver: lines say the time of the machine")]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// `%HOSTNAME%`.
pub(super) fn hostname() -> Option<&'static [u8]> {
    static NAME: OnceLock<Option<Box<str>>> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim().into())
    });
    name.as_deref().map(str::as_bytes)
}

/// Appends a time in UTC by a format of strftime: `%Y %y %m %d %e %H %M %S %s %F %T %D %j %b %z %Z %f %1f`
/// to `%9f`, `%n %t %%`; any other stands as it is.
pub(super) fn write(out: &mut Vec<u8>, time: SystemTime, format: Option<&str>) -> Value {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let date = Date::of(seconds / 86_400);
    let mut rest = format.unwrap_or(DEFAULT);
    while let Some((literal, after)) = rest.split_once('%') {
        out.extend_from_slice(literal.as_bytes());
        rest = after;
        let width = rest.chars().next().and_then(|c| c.to_digit(10)).filter(|width| *width > 0);
        if let Some(width) = width
            && rest[1..].starts_with('f')
        {
            let width = width as usize;
            fraction(out, nanos, width);
            rest = &rest[2..];
            continue;
        }
        let Some(conversion) = rest.chars().next() else {
            out.push(b'%');
            break;
        };
        rest = &rest[conversion.len_utf8()..];
        convert(out, conversion, &date, seconds, nanos);
    }
    out.extend_from_slice(rest.as_bytes());
    Value::Text
}

fn convert(out: &mut Vec<u8>, conversion: char, date: &Date, seconds: u64, nanos: u32) {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Date { year, month, day, .. } = *date;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // A vector takes everything.
    let _ = match conversion {
        'Y' => write!(out, "{year}"),
        'y' => write!(out, "{:02}", year % 100),
        'm' => write!(out, "{month:02}"),
        'd' => write!(out, "{day:02}"),
        'e' => write!(out, "{day:2}"),
        'b' => out.write_all(MONTHS[month as usize - 1].as_bytes()),
        'j' => write!(out, "{:03}", date.day_of_year),
        'H' => write!(out, "{hour:02}"),
        'M' => write!(out, "{minute:02}"),
        'S' => write!(out, "{second:02}"),
        's' => write!(out, "{seconds}"),
        'F' => write!(out, "{year}-{month:02}-{day:02}"),
        'T' => write!(out, "{hour:02}:{minute:02}:{second:02}"),
        'D' => write!(out, "{month:02}/{day:02}/{:02}", year % 100),
        'z' => out.write_all(b"+0000"),
        'Z' => out.write_all(b"UTC"),
        'f' => {
            fraction(out, nanos, 9);
            Ok(())
        }
        'n' => out.write_all(b"\n"),
        't' => out.write_all(b"\t"),
        '%' => out.write_all(b"%"),
        other => write!(out, "%{other}"),
    };
}

fn fraction(out: &mut Vec<u8>, nanos: u32, width: usize) {
    let digits = format!("{nanos:09}");
    out.extend_from_slice(&digits.as_bytes()[..width]);
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
    day_of_year: u64,
}

impl Date {
    /// From days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
    fn of(days: u64) -> Self {
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let since_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * since_march + 2) / 153;
        let day = since_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year =
            if month > 2 { since_march + 60 + u64::from(leap) } else { since_march - 305 };
        Self { year, month, day, day_of_year }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_asked() {
        for (nanos, format, text) in [
            (0, None, "1970-01-01T00:00:00.000Z"),
            (1_709_210_096_123_456_789, None, "2024-02-29T12:34:56.123Z"),
            (
                1_709_210_096_123_456_789,
                Some("%F %T.%6f %j %e %% %q%"),
                "2024-02-29 12:34:56.123456 060 29 % %q%",
            ),
            (
                1_735_689_599_000_000_000,
                Some("%d/%b/%Y:%H:%M:%S %z %s %j"),
                "31/Dec/2024:23:59:59 +0000 1735689599 366",
            ),
            (1_767_225_600_000_000_000, Some("%D %f"), "01/01/26 000000000"),
        ] {
            let mut out = Vec::new();
            write(&mut out, UNIX_EPOCH + Duration::from_nanos(nanos), format);
            assert_eq!(String::from_utf8(out).expect("text"), text);
        }
    }
}
