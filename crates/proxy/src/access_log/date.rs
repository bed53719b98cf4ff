//! Days of the calendar.

/// Full names; the first three letters are the short ones.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Full names, from Sunday on.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Date {
    pub(super) year: u64,
    /// From 1 on.
    pub(super) month: u64,
    /// From 1 on.
    pub(super) day: u64,
    /// From Sunday, which is 0.
    pub(super) weekday: u64,
    /// From 1 on.
    pub(super) day_of_year: u64,
}

impl Date {
    /// From days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
    pub(super) fn of(days: u64) -> Self {
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let since_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * since_march + 2) / 153;
        let day = since_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let day_of_year =
            if month > 2 { since_march + 60 + u64::from(is_leap(year)) } else { since_march - 305 };
        // The first of 1970 was a Thursday.
        Self { year, month, day, weekday: (days + 4) % 7, day_of_year }
    }

    /// Year and week of ISO 8601: weeks begin on Monday and belong to the year of their Thursday.
    pub(super) fn iso_week(&self) -> (u64, u64) {
        let monday_based = (self.weekday + 6) % 7;
        let week = (self.day_of_year + 9 - monday_based) / 7;
        match week {
            0 => (self.year - 1, weeks(self.year - 1)),
            53 if weeks(self.year) == 52 => (self.year + 1, 1),
            week => (self.year, week),
        }
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// A year has 53 weeks when it begins or ends on a Thursday.
fn weeks(year: u64) -> u64 {
    let last_day = |year: u64| (year + year / 4 - year / 100 + year / 400) % 7;
    if last_day(year) == 4 || last_day(year - 1) == 3 { 53 } else { 52 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        for (days, date, week) in [
            (0, (1970, 1, 1), (1970, 1)),
            // Friday, 1 January 2021.
            (18_628, (2021, 1, 1), (2020, 53)),
            // Monday, 30 December 2024.
            (20_087, (2024, 12, 30), (2025, 1)),
            (20_781, (2026, 11, 24), (2026, 48)),
        ] {
            let found = Date::of(days);
            assert_eq!((found.year, found.month, found.day), date);
            assert_eq!(found.iso_week(), week);
        }
    }
}
