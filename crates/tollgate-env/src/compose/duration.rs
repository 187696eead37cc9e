//! Durations as compose writes them: `90s`, `1m30s`, `500ms`.

use std::time::Duration;

/// Reads a duration; a plain number is seconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let seconds = number.parse::<f64>().ok()? * seconds_in(unit)?;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    (!text.trim().is_empty()).then_some(total)
}

fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        _ => return None,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn durations_add_their_parts_and_nonsense_is_refused() {
        let ms = |text: &str| parse(text).map(|duration| duration.as_millis());
        assert_eq!(
            ["1m30s", "500ms", "2", "1.5s", "1h", "250us"].map(ms),
            [90_000, 500, 2000, 1500, 3_600_000, 0].map(Some)
        );
        assert_eq!(["", "s", "5x", "-1s", "1m 30s", "m5"].map(ms), [None; 6]);
    }
}
