//! How one value is printed: the same text in JSON and in CSV, so that both agree cell by cell.
//!
//! Scaled integers are printed exactly, from the integer; computed numbers with as many digits as are true; reported
//! floats so that they read back the same. Must not know: tables, HTTP.

use std::io::Write as _;

use crate::model::{AttributeValue, Timestamp};
use crate::query::cell::{Cell, Number};
use crate::query::civil::{push_bucket_time as push_bucket, push_instant as push_time};
use crate::query::request::Zone;

use super::digits::{self, DERIVED_DIGITS, WHOLE_DIGITS_MAX};

/// Smallest power of ten printed as a plain decimal; smaller numbers take an exponent.
const PLAIN_EXPONENT_MIN: i32 = -7;

/// Largest power of ten printed as a plain decimal; larger numbers take an exponent.
const PLAIN_EXPONENT_MAX: i32 = 20;

/// Appends the value as a CSV field holds it, before quoting. Null is empty.
pub fn push_text(out: &mut Vec<u8>, cell: &Cell<'_>, zone: Zone) {
    match *cell {
        Cell::Null => {}
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Bucket(at) => push_bucket_time(out, at, zone),
        Cell::Fact(AttributeValue::Text(text)) => out.extend_from_slice(text.as_bytes()),
        Cell::Time(at) | Cell::Fact(&AttributeValue::Time(at)) => push_instant(out, at, zone),
        _ => push_bare(out, cell),
    }
}

/// Appends a number as a CSV field holds it. Null is empty.
pub(super) fn push_number(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Null => {}
        Number::Scaled { value, decimals } => push_scaled(out, value, decimals),
        Number::Derived(value) => push_derived(out, value),
        Number::Reported(value) => push_reported(out, value),
    }
}

/// Appends the value as JSON.
pub fn push_json(out: &mut Vec<u8>, cell: &Cell<'_>, zone: Zone) {
    match *cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Text(text) => push_json_text(out, text),
        Cell::Bucket(at) => {
            out.push(b'"');
            push_bucket_time(out, at, zone);
            out.push(b'"');
        }
        Cell::Time(at) | Cell::Fact(&AttributeValue::Time(at)) => {
            out.push(b'"');
            push_instant(out, at, zone);
            out.push(b'"');
        }
        Cell::Derived(value) | Cell::Reported(value) | Cell::Fact(&AttributeValue::Number(value))
            if !value.is_finite() =>
        {
            out.push(b'"');
            push_not_finite(out, value);
            out.push(b'"');
        }
        _ => push_bare(out, cell),
    }
}

/// Appends an instant with milliseconds.
fn push_instant(out: &mut Vec<u8>, at: Timestamp, zone: Zone) {
    push_time(out, at, zone);
}

/// Appends the start of a bucket: without decimals, unless a range begins off the whole second.
pub fn push_bucket_time(out: &mut Vec<u8>, at: Timestamp, zone: Zone) {
    push_bucket(out, at, zone);
}

/// Appends text as a JSON string.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    // Writing text into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// What looks the same in JSON and in CSV: numbers, booleans, lists and maps.
fn push_bare(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Scaled { value, decimals } => push_scaled(out, value, decimals),
        Cell::Derived(value) => push_derived(out, value),
        Cell::Reported(value) => push_reported(out, value),
        Cell::Fact(fact) => match fact {
            AttributeValue::Integer(value) => push_scaled(out, *value, 0),
            AttributeValue::Number(value) => push_reported(out, *value),
            AttributeValue::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            AttributeValue::Text(text) => push_json_text(out, text),
            AttributeValue::Time(_) => {}
            // Writing texts into memory cannot fail.
            AttributeValue::List(texts) => drop(serde_json::to_writer(out, texts)),
            AttributeValue::Map(texts) => drop(serde_json::to_writer(out, texts)),
        },
        Cell::Json(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Null | Cell::Text(_) | Cell::Time(_) | Cell::Bucket(_) => {}
    }
}

/// Appends `value` / 10^`decimals` exactly, without zeros at the end of the fraction.
fn push_scaled(out: &mut Vec<u8>, value: i64, decimals: u8) {
    let mut buffer = [0; WHOLE_DIGITS_MAX];
    let digits = digits::whole(&mut buffer, value.unsigned_abs());
    if value < 0 {
        out.push(b'-');
    }
    if decimals == 0 {
        return out.extend_from_slice(digits);
    }
    let decimals = usize::from(decimals);
    let whole_length = digits.len().saturating_sub(decimals);
    let (whole, fraction) = digits.split_at_checked(whole_length).unwrap_or((digits, &[]));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    let padding = decimals.saturating_sub(digits.len());
    let last = fraction.iter().rposition(|&digit| digit != b'0');
    if let Some(fraction) = last.and_then(|last| fraction.get(..=last)) {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', padding));
        out.extend_from_slice(fraction);
    }
}

/// Appends a computed number with at most 9 significant digits.
fn push_derived(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return push_not_finite(out, value);
    }
    if value == 0.0 {
        return out.push(b'0');
    }
    if let Some((nine, exponent)) = digits::nine(value.abs()) {
        if value < 0.0 {
            out.push(b'-');
        }
        let mut buffer = [0; WHOLE_DIGITS_MAX];
        return push_decimal(out, digits::whole(&mut buffer, nine), exponent);
    }
    let mut text = [0u8; 40];
    let after_first = DERIVED_DIGITS - 1;
    let length = print(&mut text, format_args!("{value:.after_first$e}"));
    push_scientific(out, text.get(..length).unwrap_or_default());
}

/// Appends a float so that it reads back the same.
pub(crate) fn push_reported(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return push_not_finite(out, value);
    }
    let mut text = [0u8; 40];
    let length = print(&mut text, format_args!("{value:e}"));
    push_scientific(out, text.get(..length).unwrap_or_default());
}

fn push_not_finite(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(match value {
        value if value.is_nan() => b"NaN",
        value if value > 0.0 => b"+Inf",
        _ => b"-Inf",
    });
}

/// Prints into a fixed buffer that is known to be long enough; returns the length.
fn print(buffer: &mut [u8], arguments: std::fmt::Arguments<'_>) -> usize {
    let whole = buffer.len();
    let mut rest = buffer;
    let _ = rest.write_fmt(arguments);
    whole.saturating_sub(rest.len())
}

/// Appends a number given as `[-]d[.ddd]e[-]x`, as a plain decimal where that is short.
fn push_scientific(out: &mut Vec<u8>, text: &[u8]) {
    let (text, negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    if negative {
        out.push(b'-');
    }
    let Some(split) = text.iter().position(|&byte| byte == b'e') else {
        return out.extend_from_slice(text);
    };
    let (mantissa, exponent) = text.split_at_checked(split).unwrap_or((text, &[]));
    let exponent: i32 = exponent
        .get(1..)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    let mut buffer = [0u8; 40];
    let mut length = 0usize;
    for (place, digit) in buffer.iter_mut().zip(mantissa.iter().filter(|byte| byte.is_ascii_digit())) {
        *place = *digit;
        length = length.saturating_add(1);
    }
    push_decimal(out, buffer.get(..length).unwrap_or_default(), exponent);
}

/// Appends a number of these digits, of which the first counts 10^`exponent`: as a plain decimal where that is short.
fn push_decimal(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last.saturating_add(1));
    let digits = digits.get(..significant).unwrap_or_default();
    let zeros = |count: i32| std::iter::repeat_n(b'0', usize::try_from(count).unwrap_or(0));
    match exponent {
        PLAIN_EXPONENT_MIN..0 => {
            out.extend_from_slice(b"0.");
            out.extend(zeros(-1 - exponent));
            out.extend_from_slice(digits);
        }
        0..=PLAIN_EXPONENT_MAX => {
            let whole = usize::try_from(exponent).unwrap_or(0).saturating_add(1);
            match digits.split_at_checked(whole) {
                Some((whole, fraction)) => {
                    out.extend_from_slice(whole);
                    if !fraction.is_empty() {
                        out.push(b'.');
                        out.extend_from_slice(fraction);
                    }
                }
                None => {
                    out.extend_from_slice(digits);
                    out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
                }
            }
        }
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, &[]));
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            // Writing into memory cannot fail.
            let _ = write!(out, "e{exponent}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn text(cell: &Cell<'_>) -> String {
        let mut out = Vec::new();
        push_text(&mut out, cell, Zone::Utc);
        String::from_utf8(out).unwrap()
    }

    fn json(cell: &Cell<'_>) -> String {
        let mut out = Vec::new();
        push_json(&mut out, cell, Zone::Utc);
        String::from_utf8(out).unwrap()
    }

    fn check(cell: &Cell<'_>, expected_text: &str, expected_json: &str) {
        assert_eq!(text(cell), expected_text, "{cell:?} as text");
        assert_eq!(json(cell), expected_json, "{cell:?} as JSON");
    }

    fn same(cell: &Cell<'_>, expected: &str) {
        check(cell, expected, expected);
    }

    #[test]
    fn scaled_integers_are_printed_exactly_from_the_integer() {
        let scaled = |value, decimals| Cell::Scaled { value, decimals };
        same(&scaled(1_500_000_000, 9), "1.5");
        same(&scaled(-1_500_000_000, 9), "-1.5");
        same(&scaled(0, 9), "0");
        same(&scaled(1, 9), "0.000000001");
        same(&scaled(-10, 9), "-0.00000001");
        same(&scaled(1_000_000_000, 9), "1");
        same(&scaled(10, 0), "10");
        same(&scaled(i64::MAX, 9), "9223372036.854775807");
        same(&scaled(i64::MIN, 0), "-9223372036854775808");
        same(&scaled(i64::MIN, 20), "-0.09223372036854775808");
        same(&scaled(123, 3), "0.123");
        same(&scaled(1230, 3), "1.23");
    }

    #[test]
    fn computed_numbers_have_at_most_nine_significant_digits() {
        same(&Cell::Derived(0.1 + 0.2), "0.3");
        same(&Cell::Derived(1.0 / 3.0), "0.333333333");
        same(&Cell::Derived(-200.0 / 3.0), "-66.6666667");
        same(&Cell::Derived(123_456_789_012.0), "123456789000");
        same(&Cell::Derived(999_999_999.9), "1000000000");
        same(&Cell::Derived(0.0), "0");
        same(&Cell::Derived(-0.0), "0");
        same(&Cell::Derived(1e-7), "0.0000001");
        same(&Cell::Derived(1.25e-9), "1.25e-9");
        same(&Cell::Derived(1e20), "100000000000000000000");
        same(&Cell::Derived(1.5e21), "1.5e21");
        same(&Cell::Derived(12.5), "12.5");
    }

    #[test]
    fn reported_floats_read_back_the_same() {
        same(&Cell::Reported(0.1 + 0.2), "0.30000000000000004");
        same(&Cell::Reported(3.0), "3");
        same(&Cell::Reported(f64::MAX), "1.7976931348623157e308");
        same(&Cell::Reported(5e-324), "5e-324");
    }

    #[test]
    fn what_is_not_a_number_is_text_in_csv_and_a_string_in_json() {
        check(&Cell::Derived(f64::NAN), "NaN", "\"NaN\"");
        check(&Cell::Reported(f64::INFINITY), "+Inf", "\"+Inf\"");
        check(&Cell::Reported(f64::NEG_INFINITY), "-Inf", "\"-Inf\"");
        check(&Cell::Fact(&AttributeValue::Number(f64::NAN)), "NaN", "\"NaN\"");
    }

    #[test]
    fn null_is_null_in_json_and_empty_in_csv() {
        check(&Cell::Null, "", "null");
        check(&Cell::Text(""), "", "\"\"");
    }

    #[test]
    fn attributes_by_type() {
        check(&Cell::Fact(&"a \"b\"\n".into()), "a \"b\"\n", r#""a \"b\"\n""#);
        same(&Cell::Fact(&true.into()), "true");
        same(&Cell::Fact(&AttributeValue::Integer(-3)), "-3");
        same(&Cell::Fact(&0.25.into()), "0.25");
        same(&Cell::Fact(&vec!["a".to_owned(), "b,c".to_owned()].into()), r#"["a","b,c"]"#);
        let map: BTreeMap<_, _> = [("k".to_owned(), "v".to_owned())].into();
        same(&Cell::Fact(&map.into()), r#"{"k":"v"}"#);
        let at = Timestamp::from_ms(1_500);
        check(&Cell::Fact(&at.into()), "1970-01-01T00:00:01.500Z", "\"1970-01-01T00:00:01.500Z\"");
        check(&Cell::Time(at), "1970-01-01T00:00:01.500Z", "\"1970-01-01T00:00:01.500Z\"");
    }

    proptest! {
        #[test]
        fn every_reported_float_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let printed = json(&Cell::Reported(value));
            prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(serde_json::from_str::<serde_json::Number>(&printed).is_ok());
        }

        #[test]
        fn every_computed_number_is_near_and_short(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_normal());
            let printed = json(&Cell::Derived(value));
            let read: f64 = printed.parse().unwrap();
            prop_assert!(read.is_infinite() || ((read - value) / value).abs() <= 1e-8);
            let significant: String =
                printed.split('e').next().unwrap().chars().filter(char::is_ascii_digit).collect();
            prop_assert!(significant.trim_matches('0').len() <= 9, "{}", printed);
            prop_assert!(serde_json::from_str::<serde_json::Number>(&printed).is_ok());
        }

        #[test]
        fn every_scaled_integer_reads_back_exactly(value: i64, decimals in 0u8..19) {
            let printed = json(&Cell::Scaled { value, decimals });
            let (whole, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
            let digits = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
            prop_assert_eq!(digits.parse::<i64>().unwrap(), value);
            prop_assert!(!fraction.ends_with('0'));
        }
    }
}
