//! The time that a request gives itself: gRPC's `grpc-timeout`.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

/// The time that a request's headers allow. One that is malformed allows any, as with tonic.
pub(super) fn allowed(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // As many digits as the protocol has.
    if number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderValue;

    use super::*;

    #[test]
    fn the_protocols_units_are_known_and_nonsense_is_passed_over() {
        let of = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            allowed(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                value,
            )]))
        };
        assert_eq!(of("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(of("2M"), Some(Duration::from_secs(120)));
        assert_eq!(of("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("7u"), Some(Duration::from_micros(7)));
        assert_eq!(of("0n"), Some(Duration::ZERO));
        for nonsense in ["", "m", "12", "-1S", "+1S", "100000000S", "1x", "1.5S"] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
        assert_eq!(allowed(&HeaderMap::new()), None);
    }
}
