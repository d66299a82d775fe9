//! Durations and sizes as a person writes them: `10s`, `90d`, `5GiB`. Pure text to value and back.
//!
//! Must not know: which key a text stands under.

use std::time::Duration;

/// Units of durations, longest first; a year is 365 days.
const DURATION_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of sizes, largest first: binary, decimal, and plain bytes.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// The duration a text means: a whole number and one unit of `ms s m h d w y`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// The number of bytes a text means: a whole number and one unit of `B KB KiB MB MiB GB GiB TB TiB`.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// The shortest text that means the duration.
pub(super) fn duration_text(duration: Duration) -> String {
    text(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS, "0s")
}

/// The shortest text that means the number of bytes.
pub(super) fn size_text(bytes: u64) -> String {
    text(bytes, &SIZE_UNITS, "0B")
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn text(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .filter(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .map(|(unit, factor)| format!("{}{unit}", value / factor))
        .min_by_key(String::len)
        .unwrap_or_else(|| zero.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let check = |text: &str, ms: Option<u64>| {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text}");
        };
        check("10s", Some(10_000));
        check("500ms", Some(500));
        check("5m", Some(300_000));
        check("12h", Some(43_200_000));
        check("90d", Some(7_776_000_000));
        check("2w", Some(1_209_600_000));
        check("5y", Some(157_680_000_000));
        check("0s", Some(0));
        for bad in [
            "",
            "10",
            "s",
            "1.5h",
            "-1s",
            "10 s",
            "1h30m",
            "10S",
            "10min",
            "99999999999999999999s",
            "18446744073709551615y",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(parse_size(text), bytes, "{text}");
        check("5GiB", Some(5 << 30));
        check("5GB", Some(5_000_000_000));
        check("512B", Some(512));
        check("1TiB", Some(1 << 40));
        for bad in ["", "5", "5gib", "5 GiB", "1.5GiB", "-1B", "99999999TiB"] {
            check(bad, None);
        }
    }

    #[test]
    fn texts_are_short_and_mean_what_they_came_from() {
        for (ms, text) in [(10_000, "10s"), (90_000, "90s"), (1_500, "1500ms"), (86_400_000, "1d"), (0, "0s")] {
            assert_eq!(duration_text(Duration::from_millis(ms)), text);
        }
        for (bytes, text) in [(16 << 20, "16MiB"), (1_500, "1500B"), (5_000_000_000, "5GB"), (0, "0B")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
