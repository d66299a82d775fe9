//! Lines of names, labels and numbers: `name{a="1",b="2"} 3.5`, as the Prometheus text format and ZooKeeper's `mntr`
//! write them.
//!
//! Pure. Must not know: what any name means.

use std::collections::BTreeMap;

/// A number with its name and labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Labelled {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a line; nothing where it is empty, a comment, or not such a line. A time after the number is left out.
pub(crate) fn parse_line(line: &str) -> Option<Labelled> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = match line.find(['{', ' ', '\t']) {
        Some(at) if line[at..].starts_with('{') => {
            let (labels, rest) = parse_labels(line.get(at + 1..)?)?;
            (line.get(..at)?, labels, rest)
        }
        Some(at) => (line.get(..at)?, BTreeMap::new(), line.get(at..)?),
        None => return None,
    };
    let value = parse_number(rest.split_whitespace().next()?)?;
    (!name.is_empty()).then(|| Labelled { name: name.to_owned(), labels, value })
}

/// A number as these formats write it, `NaN` and `+Inf` included.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        // Rust would take "infinity" and "nan", too; what begins like a number is one.
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => text.parse().ok(),
        _ => None,
    }
}

/// Labels up to their closing brace, and what follows it.
fn parse_labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once('=')?;
        let mut value = String::new();
        let mut letters = rest.trim_start().strip_prefix('"')?.char_indices();
        let inside = rest.trim_start().strip_prefix('"')?;
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        text = inside.get(end + 1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

    fn check(line: &str, expected: Option<Expected<'_>>) {
        let expected = expected.map(|(name, labels, value)| Labelled {
            name: name.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value,
        });
        assert_eq!(parse_line(line), expected, "{line}");
    }

    #[test]
    fn lines_are_read_with_labels_times_and_escapes() {
        check("a_total 3", Some(("a_total", &[], 3.0)));
        check("zk_avg_latency\t13.5", Some(("zk_avg_latency", &[], 13.5)));
        check(r#"a{b="1",c="x y"} 2.5 1395066363000"#, Some(("a", &[("b", "1"), ("c", "x y")], 2.5)));
        check(r#"a{b="\"}\\\n",} 1e3"#, Some(("a", &[("b", "\"}\\\n")], 1000.0)));
        check("a +Inf", Some(("a", &[], f64::INFINITY)));
        check("# HELP a b", None);
        check("", None);
        check("zk_server_state\tstandalone", None);
        check("zk_version\tinf, built", None);
        check(r#"a{b="1 2"#, None);
        assert!(parse_line("a NaN").unwrap().value.is_nan());
    }
}
