//! What form the client takes: JSON, JSON Lines or CSV, plain or gzip; and whether it has the answer already.
//!
//! Must not know: routes, what is in the answers.

use warp::http::HeaderMap;
use warp::http::header::{ACCEPT, ACCEPT_ENCODING, AsHeaderName, IF_NONE_MATCH};

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// CSV.
    Csv,
    /// An object a line.
    Lines,
}

impl Format {
    /// The last segment of a path without its suffix, and the form the suffix asks for.
    pub(crate) fn split_suffix(segment: &str) -> (&str, Option<Format>) {
        match segment.rsplit_once('.') {
            Some((name, "csv")) => (name, Some(Format::Csv)),
            Some((name, "json")) => (name, Some(Format::Json)),
            Some((name, "jsonl")) => (name, Some(Format::Lines)),
            _ => (segment, None),
        }
    }

    /// What `Accept` prefers: JSON Lines where they are named; else JSON unless CSV is named and wanted more, or as much and named first.
    pub(crate) fn accepted(headers: &HeaderMap) -> Format {
        let ranges = weighted(headers, ACCEPT);
        let position = |media: &str| ranges.iter().position(|(name, _)| name == media);
        let weight = |media: &str| position(media).and_then(|at| ranges.get(at)).map(|(_, weight)| *weight);
        let lines = ["application/jsonl", "application/x-ndjson"].iter().find_map(|media| weight(media));
        let any = |half: &str| weight(half).or_else(|| weight("*/*")).unwrap_or(0);
        let csv = weight("text/csv").unwrap_or_else(|| any("text/*"));
        let json = weight("application/json").unwrap_or_else(|| any("application/*"));
        if lines.is_some_and(|lines| lines > 0 && lines >= csv && lines >= json) {
            return Format::Lines;
        }
        let is_csv_first = match (position("text/csv"), position("application/json")) {
            (Some(csv), Some(json)) => csv < json,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if csv > json || (csv == json && csv > 0 && is_csv_first) { Format::Csv } else { Format::Json }
    }

    /// The suffix that asks for it.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Lines => "jsonl",
        }
    }

    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Lines => "application/jsonl",
        }
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
}

impl Encoding {
    /// gzip where `Accept-Encoding` wants it at least as much as no compression.
    pub(crate) fn accepted(headers: &HeaderMap) -> Encoding {
        let codings = weighted(headers, ACCEPT_ENCODING);
        let weight = |coding: &str| codings.iter().find(|(name, _)| name == coding).map(|(_, weight)| *weight);
        let gzip = weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).unwrap_or(0);
        let identity = weight("identity").unwrap_or(1);
        if gzip > 0 && gzip >= identity { Encoding::Gzip } else { Encoding::Identity }
    }

    /// The word in headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
        }
    }
}

/// A header's comma-separated names in lower case with their weights in thousandths, as listed. A name whose weight
/// cannot be read counts as wanted.
fn weighted(headers: &HeaderMap, name: impl AsHeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name);
    let items = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    items
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            (name, weight.and_then(thousandths).unwrap_or(1000))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

/// A weight as HTTP writes it, `0` to `1` with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !matches!(whole, "0" | "1") {
        return None;
    }
    let value: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (value <= 1000).then_some(value)
}

/// Whether `If-None-Match` names this entity tag.
pub(crate) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH);
    let mut tags = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// A strong entity tag over what decides the bytes of an answer.
pub(crate) fn entity_tag<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    // FNV-1a of 128 bits: the tag only has to differ, nobody gains by forging one for their own cache.
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xFF]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("\"{hash:032x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn csv_by_accept() {
        let check = |accept: &str, expected: Format| {
            assert_eq!(Format::accepted(&headers("accept", accept)), expected, "{accept}");
        };
        check("*/*", Format::Json);
        check("text/csv", Format::Csv);
        check("TEXT/CSV; charset=utf-8", Format::Csv);
        check("text/csv, application/json", Format::Csv);
        check("application/json, text/csv", Format::Json);
        check("application/json;q=0.5, text/csv", Format::Csv);
        check("text/csv;q=0.5, */*", Format::Json);
        check("text/csv, */*;q=0.1", Format::Csv);
        check("text/csv, */*", Format::Csv);
        check("text/csv;q=0", Format::Json);
        check("application/jsonl", Format::Lines);
        check("application/x-ndjson, application/json;q=0.5", Format::Lines);
        check("application/json, application/jsonl;q=0.5", Format::Json);
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Json);
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Json);
    }

    #[test]
    fn gzip_by_accept_encoding() {
        let check = |accept: &str, expected: Encoding| {
            assert_eq!(Encoding::accepted(&headers("accept-encoding", accept)), expected, "{accept}");
        };
        check("gzip", Encoding::Gzip);
        check("deflate, gzip;q=1.0, *;q=0.5", Encoding::Gzip);
        check("gzip;q=0", Encoding::Identity);
        check("gzip;q=0, *", Encoding::Identity);
        check("*", Encoding::Gzip);
        check("identity, gzip;q=0.5", Encoding::Identity);
        check("br", Encoding::Identity);
        check("", Encoding::Identity);
        assert_eq!(Encoding::accepted(&HeaderMap::new()), Encoding::Identity);
    }

    #[test]
    fn entity_tags_differ_by_every_part() {
        assert_ne!(entity_tag(["ab", "c"]), entity_tag(["a", "bc"]));
        assert_eq!(entity_tag(["a"]), entity_tag(["a"]));
        let tag = entity_tag(["a"]);
        assert!(has_already(&headers("if-none-match", &format!("\"x\", W/{tag}")), &tag));
        assert!(has_already(&headers("if-none-match", "*"), &tag));
        assert!(!has_already(&headers("if-none-match", "\"x\""), &tag));
        assert!(!has_already(&HeaderMap::new(), &tag));
    }
}
