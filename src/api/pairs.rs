//! Query strings and path segments to text: percent-decoding that refuses what it cannot read.
//!
//! Must not know: which parameters there are.

use super::problem::Problem;

/// Names and values in the order given; repeated names stay. `+` is a space, as HTML forms send it.
pub(crate) fn parse_query(query: &str) -> Result<Vec<(String, String)>, Problem> {
    query.split('&').filter(|pair| !pair.is_empty()).map(parse_pair).collect()
}

fn parse_pair(pair: &str) -> Result<(String, String), Problem> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = decode(name, true)
        .map_err(|why| Problem::bad_request(format!("the parameter name {name:?} cannot be decoded: {why}")))?;
    if name.is_empty() {
        return Err(Problem::bad_request(format!("{pair:?} has no parameter name: write name=value")));
    }
    match decode(value, true) {
        Ok(value) => Ok((name, value)),
        Err(why) => {
            let detail = format!("{name}: the value {value:?} cannot be decoded: {why}");
            Err(Problem::parameter(name, detail))
        }
    }
}

/// A path segment as text.
pub(crate) fn decode_segment(segment: &str) -> Result<String, Problem> {
    decode(segment, false)
        .map_err(|why| Problem::bad_request(format!("the path part {segment:?} cannot be decoded: {why}")))
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err("after % stand two hexadecimal digits; write %25 for a percent sign");
                };
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| "it is not UTF-8")
}

/// Names and values as a query string.
pub(crate) fn format_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

fn encode(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing into memory cannot fail.
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        parse_query(query).unwrap()
    }

    #[test]
    fn repeated_names_stay_in_order() {
        let expected = [("a", "1"), ("b", ""), ("a", "2 3"), ("c", "=+")];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(pairs("a=1&b&&a=2+3&c==%2B"), expected);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_with_its_name() {
        for query in ["host=%", "host=%4", "host=%zz", "host=%FF"] {
            let problem = parse_query(query).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.parameter.as_deref()), (400, Some("host")), "{query}");
        }
        assert_eq!(parse_query("%ff=1").unwrap_err().status.as_u16(), 400);
        assert_eq!(parse_query("=1").unwrap_err().status.as_u16(), 400);
    }

    #[test]
    fn a_query_reads_back() {
        let query = format_query([("app", "/shop/*"), ("label.env", "a&b=c%+ ü")]);
        assert_eq!(
            pairs(&query),
            [("app".to_owned(), "/shop/*".to_owned()), ("label.env".to_owned(), "a&b=c%+ ü".to_owned())]
        );
    }
}
