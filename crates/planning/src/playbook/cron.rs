//! Cron lines of five fields: minute, hour, day of month, month, day of week, in UTC.
//!
//! Does not know a clock. Meaning as in POSIX `crontab`: where day of month and day of week are both restricted, either is
//! enough. Lists, ranges, steps and the English names of months and weekdays are read; 7 is Sunday, as 0 is.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::{SignedDuration, tz::TimeZone};
use sinew_contract::Timestamp;

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// A line such as `0 0 30 2 *` never comes; 8 years hold every leap day, also around a century.
const DAYS_AHEAD_MAX: u32 = 366 * 8 + 2;

/// A cron line; each field is a set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month and day of week are both restricted.
    either_day: bool,
}

impl Cron {
    /// Reads a line; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("`{text}` has {} fields, not five", fields.len()));
        };
        let weekdays_set = field(weekdays, 0, 7, DAYS)?;
        let cron = Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, MONTHS)?,
            weekdays: (weekdays_set | (weekdays_set >> 7)) & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        cron.next(Timestamp(0)).map(|_| cron).ok_or_else(|| format!("`{text}` never comes"))
    }

    /// The first time after `last`.
    pub fn next(&self, last: Timestamp) -> Option<Timestamp> {
        let last = jiff::Timestamp::from_microsecond(last.0).ok()?.to_zoned(TimeZone::UTC).datetime();
        let from = last.with().second(0).subsec_nanosecond(0).build().ok()?;
        let from = from.checked_add(SignedDuration::from_mins(1)).ok()?;
        let mut date = from.date();
        for ahead in 0..DAYS_AHEAD_MAX {
            if self.has_day(date) {
                let earliest = if ahead == 0 { (from.hour(), from.minute()) } else { (0, 0) };
                if let Some(found) = self.time_in(date, earliest) {
                    let moment = found.to_zoned(TimeZone::UTC).ok()?.timestamp();
                    return Some(Timestamp(moment.as_microsecond()));
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, Weekday::to_sunday_zero_offset(date.weekday()));
        has(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }

    fn time_in(&self, date: Date, (hour, minute): (i8, i8)) -> Option<DateTime> {
        let times = (hour..24).flat_map(|h| (0..60).map(move |m| (h, m)));
        let mut times =
            times.filter(|(h, m)| (*h, *m) >= (hour, minute) && has(self.hours, *h) && has(self.minutes, *m));
        times.next().map(|(h, m)| date.at(h, m, 0, 0))
    }
}

fn has(set: u64, place: i8) -> bool {
    u32::try_from(place).is_ok_and(|place| set.checked_shr(place).is_some_and(|bits| bits & 1 == 1))
}

/// One field as a set of bits.
fn field(text: &str, min: u32, max: u32, names: &[&str]) -> Result<u64, String> {
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step, 1, max, &[])?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, if max == 7 { 6 } else { max }),
            Some((from, to)) => (number(from, min, max, names)?, number(to, min, max, names)?),
            // `5/15` is "from 5 on, every 15".
            None => {
                let from = number(range, min, max, names)?;
                (from, if step.is_some() { max } else { from })
            }
        };
        if from > to {
            return Err(format!("`{part}` goes backwards"));
        }
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
        set |= (from..=to).step_by(step).fold(0_u64, |set, place| set | (1 << place));
    }
    Ok(set)
}

fn number(text: &str, min: u32, max: u32, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let named = names.iter().position(|name| **name == lower).and_then(|at| u32::try_from(at).ok());
    let found = named.map(|at| at + u32::from(names.len() == 12)).or_else(|| lower.parse().ok());
    found.filter(|n| (min..=max).contains(n)).ok_or_else(|| format!("`{text}` is not one of {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a moment").as_microsecond())
    }

    #[test]
    fn the_next_time_is_the_first_that_every_field_allows() {
        // 2026-11-22 is a Sunday.
        let rows = [
            ("0 0 * * *", "2026-11-23T00:00:00Z"),
            ("*/15 * * * *", "2026-11-22T10:15:00Z"),
            ("5/20 10 * * *", "2026-11-22T10:05:00Z"),
            ("30 6 * * 1-5", "2026-11-23T06:30:00Z"),
            ("30 6 * * mon,WED", "2026-11-23T06:30:00Z"),
            ("0 12 * * 7", "2026-11-22T12:00:00Z"),
            ("0 9 * * 0", "2026-11-29T09:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 1 jan *", "2027-01-01T00:00:00Z"),
            ("0 0 13 * 5", "2026-11-27T00:00:00Z"),
            ("59 23 31 12 *", "2026-12-31T23:59:00Z"),
            ("0 10 * * *", "2026-11-23T10:00:00Z"),
        ];
        for (line, expected) in rows {
            let cron = Cron::parse(line).expect(line);
            assert_eq!(cron.next(at("2026-11-22T10:00:00Z")), Some(at(expected)), "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_meant_is_refused() {
        for line in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "5-1 * * * *",
            "*/0 * * * *",
            "0 0 30 2 *",
            "a * * * *",
        ] {
            assert!(Cron::parse(line).is_err(), "{line}");
        }
    }
}
