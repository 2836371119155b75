//! Dates as documents and filters write them.

use std::ops::Range;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::Offset,
};

/// The seconds since 1970 that a date in ISO 8601 names: a year, a month, a day, a minute or a second.
/// A time without a zone is one of UTC.
pub fn seconds(text: &str) -> Option<Range<i64>> {
    let text = text.trim();
    let plain = |at: usize| text.as_bytes().get(at).is_none_or(|byte| *byte == b'-');
    let year = text.get(..4)?;
    // What else a parser would take for a date is a number here.
    if !year.bytes().all(|byte| byte.is_ascii_digit()) || !plain(4) {
        return None;
    }
    match text.len() {
        4 => between(&format!("{year}-01-01"), |start| {
            start.checked_add(1.year())
        }),
        7 => between(&format!("{text}-01"), |start| start.checked_add(1.month())),
        10 => between(text, |start| start.checked_add(1.day())),
        _ => moment(text),
    }
}

fn between(start: &str, end: impl FnOnce(Date) -> Result<Date, jiff::Error>) -> Option<Range<i64>> {
    let start: Date = start.parse().ok()?;
    let end = end(start).ok()?;
    Some(midnight(start)?..midnight(end)?)
}

fn midnight(date: Date) -> Option<i64> {
    utc(date.into())
}

/// A date with a time of day.
fn moment(text: &str) -> Option<Range<i64>> {
    let (_, clock) = text.split_at_checked(11)?;
    let start = match text.parse::<Timestamp>() {
        Ok(time) => time.as_second(),
        Err(_) => utc(text.parse().ok()?)?,
    };
    // Hours and minutes alone, before the zone.
    let clock = clock.split(['Z', 'z', '+', '-', ' ', '[']).next()?;
    let length = if clock.len() > 5 { 1 } else { 60 };
    Some(start..start + length)
}

fn utc(time: DateTime) -> Option<i64> {
    Some(Offset::UTC.to_timestamp(time).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_is_a_span_of_its_own_precision() {
        const DAY: i64 = 86_400;
        for (text, start, length) in [
            ("1970", 0, 365 * DAY),
            ("1970-02", 31 * DAY, 28 * DAY),
            ("1972-02", 761 * DAY, 29 * DAY),
            ("1970-12", 334 * DAY, 31 * DAY),
            ("1970-01-02", DAY, DAY),
            (" 1970-01-02 ", DAY, DAY),
            ("1970-01-01T01:02", 3_720, 60),
            ("1970-01-01 01:02:03", 3_723, 1),
            ("1970-01-01T01:02:03.5Z", 3_723, 1),
            ("1970-01-01T01:00:00+01:00", 0, 1),
            ("1970-01-01T00:00-01:00", 3_600, 60),
        ] {
            assert_eq!(seconds(text), Some(start..start + length), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "197",
            "19700",
            "1970-1",
            "1970-13",
            "1970-02-30",
            "1970-01-01T",
            "1970-01-01T25:00",
            "19700101",
            "a970",
            "1970-01-01x",
            "1970/01/01",
            "12:30",
            "é970",
            "1970-é",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9TZ:+ .é-]{0,30}") {
            if let Some(span) = seconds(&text) {
                prop_assert!(span.start < span.end);
            }
        }
    }
}
