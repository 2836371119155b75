//! Dates as documents and filters write them.

use std::ops::Range;

use jiff::{
    Span, Timestamp, ToSpan,
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

/// The second since 1970 at which begins what a text names: a date in ISO 8601; `today` or `yesterday`;
/// or the day that lies a number of days, weeks, months or years back: `7d`, `2w`, `3m`, `1y`. Days are
/// those of UTC.
pub fn beginning(text: &str, now: Timestamp) -> Option<i64> {
    let back = match text {
        "today" => Some(Span::new()),
        "yesterday" => Some(1.day()),
        _ => back(text),
    };
    match back {
        Some(back) => midnight(Offset::UTC.to_datetime(now).date().checked_sub(back).ok()?),
        None => seconds(text).map(|span| span.start),
    }
}

/// How far back `7d` lies. No date in ISO 8601 ends in such a letter.
fn back(text: &str) -> Option<Span> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (number, span) = (number.parse::<i32>().ok()?, Span::new());
    match unit {
        'd' => span.try_days(number),
        'w' => span.try_weeks(number),
        'm' => span.try_months(number),
        'y' => span.try_years(number),
        _ => return None,
    }
    .ok()
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

    #[test]
    fn what_lies_back_is_counted_in_days_of_the_calendar() {
        let now: Timestamp = "2024-03-31T22:30:00Z".parse().unwrap();
        for (text, day) in [
            ("today", "2024-03-31"),
            ("yesterday", "2024-03-30"),
            ("0d", "2024-03-31"),
            ("7d", "2024-03-24"),
            ("2w", "2024-03-17"),
            ("1m", "2024-02-29"),
            ("3m", "2023-12-31"),
            ("1y", "2023-03-31"),
            ("2024-02", "2024-02-01"),
            ("2023", "2023-01-01"),
        ] {
            let expected = seconds(day).map(|span| span.start);
            assert_eq!(beginning(text, now), expected, "{text}");
        }
        assert_eq!(beginning("1970-01-01T00:01Z", now), Some(60));
        for text in [
            "",
            "d",
            "7",
            "7h",
            "-7d",
            "+7d",
            "7 d",
            "7D",
            "٧d",
            "tomorrow",
            "99999y",
            "99999999999d",
            "2147483647w",
            "2024-13",
        ] {
            assert_eq!(beginning(text, now), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9TZ:+ .édwmy-]{0,30}", now in any::<i32>()) {
            let span = seconds(&text);
            if let Some(span) = &span {
                prop_assert!(span.start < span.end);
            }
            let now = Timestamp::from_second(now.into()).unwrap();
            match beginning(&text, now) {
                Some(start) if span.is_none() => prop_assert!(start <= now.as_second()),
                start => prop_assert_eq!(start, span.map(|span| span.start)),
            }
        }
    }
}
