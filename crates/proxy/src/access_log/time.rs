//! Times as `strftime` writes them, and the name of this machine.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use destrier_policy::{TimeFormat, Zone};

use super::date::{Date, MONTHS, WEEKDAYS};
use super::line::{Value, decimal, padded};

/// What is written of a local time that has no format of its own.
const LOCAL: &str = "%Y-%m-%dT%H:%M:%S.%3f%z";

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

/// Appends a time. What begins with a percent sign and is no conversion stands as it is. No time zone is
/// read from the machine: local times are written in UTC, and say so (`+0000`).
pub(super) fn write(out: &mut Vec<u8>, time: SystemTime, format: &TimeFormat) -> Value {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let moment = Moment { seconds: since.as_secs(), nanos: since.subsec_nanos() };
    match (&format.format, format.zone) {
        (None, Zone::Utc) => moment.write_default(out),
        (None, Zone::Local) => moment.write(out, LOCAL),
        (Some(format), _) => moment.write(out, format),
    }
    Value::Text
}

#[derive(Clone, Copy)]
struct Moment {
    seconds: u64,
    nanos: u32,
}

thread_local! {
    /// The last second that was written, as `2024-02-29T12:34:56.`: lines come by the thousand in each.
    static SECOND: Cell<(u64, [u8; 20])> = const { Cell::new((u64::MAX, [0; 20])) };
}

impl Moment {
    /// `%Y-%m-%dT%H:%M:%S.%3fZ`.
    fn write_default(self, out: &mut Vec<u8>) {
        let (second, text) = SECOND.get();
        if second == self.seconds {
            out.extend_from_slice(&text);
        } else {
            let start = out.len();
            self.write(out, "%Y-%m-%dT%H:%M:%S.");
            if let Ok(text) = out[start..].try_into() {
                SECOND.set((self.seconds, text));
            }
        }
        padded(out, u64::from(self.nanos / 1_000_000), 3);
        out.push(b'Z');
    }

    fn write(self, out: &mut Vec<u8>, format: &str) {
        let date = Date::of(self.seconds / 86_400);
        let mut rest = format;
        while let Some((literal, after)) = rest.split_once('%') {
            out.extend_from_slice(literal.as_bytes());
            let used = self.fraction(out, after).unwrap_or_else(|| self.convert(out, after, &date));
            rest = &after[used..];
        }
        out.extend_from_slice(rest.as_bytes());
    }

    /// `%f`, `%3f`, `%E3S`, `%E*S`, `%E3f` and the like: how much of the text it was.
    fn fraction(self, out: &mut Vec<u8>, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let width = |byte: u8| byte.checked_sub(b'0').filter(|width| (1..=9).contains(width));
        let (digits, used) = match *bytes {
            [b'f', ..] => (9, 1),
            [digit, b'f', ..] => (width(digit)?, 2),
            [b'E', b'*', b'S' | b'f', ..] => (self.significant(), 3),
            [b'E', digit, b'S' | b'f', ..] => (width(digit)?, 3),
            _ => return None,
        };
        if bytes[used - 1] == b'S' {
            padded(out, self.seconds % 60, 2);
            if digits > 0 {
                out.push(b'.');
            }
        }
        let start = out.len();
        padded(out, self.nanos.into(), 9);
        out.truncate(start + usize::from(digits));
        Some(used)
    }

    /// Digits of the fraction without zeros at its end.
    fn significant(self) -> u8 {
        let mut nanos = self.nanos;
        let mut digits = 9;
        while digits > 0 && nanos.is_multiple_of(10) {
            nanos /= 10;
            digits -= 1;
        }
        digits
    }

    /// One conversion: how much of the text it was.
    fn convert(self, out: &mut Vec<u8>, text: &str, date: &Date) -> usize {
        let Self { seconds, .. } = self;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let Date { year, month, day, weekday, day_of_year } = *date;
        let (iso_year, iso_week) = date.iso_week();
        if let Some(used) = ["Ez", "E4Y"].iter().find(|known| text.starts_with(**known)) {
            match *used {
                "Ez" => out.extend_from_slice(b"+00:00"),
                _ => padded(out, year, 4),
            }
            return used.len();
        }
        let Some(conversion) = text.chars().next() else {
            out.push(b'%');
            return 0;
        };
        let name = |names: &[&'static str], index: u64| names[index as usize];
        match conversion {
            'Y' => decimal(out, year),
            'y' => padded(out, year % 100, 2),
            'C' => padded(out, year / 100, 2),
            'G' => decimal(out, iso_year),
            'g' => padded(out, iso_year % 100, 2),
            'm' => padded(out, month, 2),
            'd' => padded(out, day, 2),
            'e' => blank_padded(out, day),
            'b' | 'h' => out.extend_from_slice(&name(&MONTHS, month - 1).as_bytes()[..3]),
            'B' => out.extend_from_slice(name(&MONTHS, month - 1).as_bytes()),
            'a' => out.extend_from_slice(&name(&WEEKDAYS, weekday).as_bytes()[..3]),
            'A' => out.extend_from_slice(name(&WEEKDAYS, weekday).as_bytes()),
            'u' => decimal(out, if weekday == 0 { 7 } else { weekday }),
            'w' => decimal(out, weekday),
            'j' => padded(out, day_of_year, 3),
            'U' => padded(out, (day_of_year + 6 - weekday) / 7, 2),
            'W' => padded(out, (day_of_year + 6 - (weekday + 6) % 7) / 7, 2),
            'V' => padded(out, iso_week, 2),
            'H' => padded(out, hour, 2),
            'k' => blank_padded(out, hour),
            'I' => padded(out, hour12, 2),
            'l' => blank_padded(out, hour12),
            'M' => padded(out, minute, 2),
            'S' => padded(out, second, 2),
            'p' => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
            's' => decimal(out, seconds),
            'F' => self.write(out, "%Y-%m-%d"),
            'T' | 'X' => self.write(out, "%H:%M:%S"),
            'R' => self.write(out, "%H:%M"),
            'r' => self.write(out, "%I:%M:%S %p"),
            'D' | 'x' => self.write(out, "%m/%d/%y"),
            'c' => self.write(out, "%a %b %e %H:%M:%S %Y"),
            'z' => out.extend_from_slice(b"+0000"),
            'Z' => out.extend_from_slice(b"UTC"),
            't' => out.push(b'\t'),
            '%' => out.push(b'%'),
            other => {
                out.push(b'%');
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        conversion.len_utf8()
    }
}

fn blank_padded(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        out.push(b' ');
    }
    decimal(out, value);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(nanos: u64, format: Option<&str>, zone: Zone) -> String {
        let mut out = Vec::new();
        let format = TimeFormat { format: format.map(Into::into), zone };
        write(&mut out, UNIX_EPOCH + Duration::from_nanos(nanos), &format);
        String::from_utf8(out).expect("text")
    }

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
            assert_eq!(written(nanos, format, Zone::Utc), text);
        }
    }

    /// What Envoy 1.40 writes.
    #[test]
    fn conversions_are_those_of_envoy() {
        let format = "%3f %6f %f %e %E3S %H:%M:%S %z %Z %Q %j %k %l %p %a %A %B %c %x %X %U %W %u %w %G \
                      %V %h %R %r %C %I %D %E4Y %Ez %E3f %E*S";
        let text = "622 622170 622170000 24 02.622 16:20:02 +0000 UTC %Q 328 16  4 PM Tue Tuesday \
                    November Tue Nov 24 16:20:02 2026 11/24/26 16:20:02 47 47 2 2 2026 48 Nov 16:20 \
                    04:20:02 PM 20 04 11/24/26 2026 +00:00 622 02.62217";
        assert_eq!(written(1_795_537_202_622_170_000, Some(format), Zone::Utc), text);
        let local = "2026-11-24T16:20:02.622+0000";
        assert_eq!(written(1_795_537_202_622_170_000, None, Zone::Local), local);
    }
}
