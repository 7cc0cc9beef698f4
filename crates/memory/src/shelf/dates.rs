//! Words of a date, as people ask for it: "in May 2023", "on a Sunday".

use jiff::tz::TimeZone;

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: &[&str] = &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// `8 may 2023 monday` for a moment in microseconds since 1970, in UTC; empty outside of the calendar.
pub fn date_words(at_us: i64) -> String {
    let Ok(moment) = jiff::Timestamp::from_microsecond(at_us) else { return String::new() };
    let date = moment.to_zoned(TimeZone::UTC).date();
    let month = usize::try_from(date.month() - 1).ok().and_then(|n| MONTHS.get(n)).copied().unwrap_or_default();
    let day = usize::try_from(date.weekday().to_monday_zero_offset()).ok().and_then(|n| DAYS.get(n));
    format!("{} {month} {} {}", date.day(), date.year(), day.copied().unwrap_or_default())
}

/// Those words of a question that name a month, a weekday or a year.
pub(super) fn asked(words: impl Iterator<Item = String>) -> Vec<(String, f32)> {
    let year = |word: &str| {
        word.len() == 4 && (word.starts_with("19") || word.starts_with("20")) && word.parse::<u16>().is_ok()
    };
    // "may" and "march" are also verbs: beside a year or a day they still mean the month more often than not.
    words
        .filter(|word| MONTHS.contains(&word.as_str()) || DAYS.contains(&word.as_str()) || year(word))
        .map(|word| (word, 1.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_the_words_of_its_day() {
        assert_eq!(date_words(1_683_547_200_000_000), "8 may 2023 monday");
        assert_eq!(date_words(i64::MAX), "");
    }

    #[test]
    fn a_question_is_about_a_month_or_a_year_not_about_a_number() {
        let words = |text: &str| asked(crate::text::plain(text)).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        assert_eq!(words("What did Ada paint in July 2023, with 12 colours?"), ["july", "2023"]);
    }
}
