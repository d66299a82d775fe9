//! How values are written into columns and read back: identities, attributes, details.
//!
//! What is written reads back equal. Must not know: tables and statements.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use serde_json::{Map, Value as Json};

use crate::model::{AttributeType, AttributeValue, Attributes, Identity, Kind, Timestamp};

/// An identity as bytes that sort as identities do: see the table `entity`.
pub(super) fn encode_identity(identity: &Identity) -> Vec<u8> {
    let parts = identity.parts();
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            bytes.extend([0, 1]);
        }
        put_part(&mut bytes, part);
    }
    bytes
}

/// The bytes of one part of an identity.
pub(super) fn encode_part(part: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.len());
    put_part(&mut bytes, part);
    bytes
}

fn put_part(into: &mut Vec<u8>, part: &str) {
    for byte in part.bytes() {
        into.push(byte);
        if byte == 0 {
            into.push(0xff);
        }
    }
}

/// The identity of such bytes, or nothing where they are damaged.
pub(super) fn decode_identity(bytes: &[u8]) -> Option<Identity> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            0 => match rest.next()? {
                1 => parts.push(String::from_utf8(std::mem::take(&mut part)).ok()?),
                0xff => part.push(0),
                _ => return None,
            },
            _ => part.push(byte),
        }
    }
    parts.push(String::from_utf8(part).ok()?);
    Some(Identity::new(parts))
}

/// Attributes as JSON with sorted names: equal sets are equal texts.
pub(super) fn encode_attributes(attributes: &Attributes) -> String {
    let object: Map<String, Json> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), plain_json(value))).collect();
    Json::Object(object).to_string()
}

/// Attributes of such a text, by the types of the kind's description. Names that it does not know are left out.
pub(super) fn decode_attributes(kind: &'static Kind, body: &str) -> Option<Attributes> {
    let Json::Object(mut object) = serde_json::from_str(body).ok()? else { return None };
    let known = kind.attributes.iter();
    Some(
        known
            .filter_map(|attribute| {
                let value = plain_value(attribute.ty, object.remove(attribute.name)?)?;
                Some((attribute.name, value))
            })
            .collect(),
    )
}

fn plain_json(value: &AttributeValue) -> Json {
    match value {
        AttributeValue::Text(text) => Json::String(text.clone()),
        AttributeValue::Integer(number) => Json::from(*number),
        AttributeValue::Number(number) => number_json(*number),
        AttributeValue::Boolean(boolean) => Json::Bool(*boolean),
        AttributeValue::Time(at) => Json::from(at.ms()),
        AttributeValue::List(list) => list.iter().cloned().map(Json::String).collect(),
        AttributeValue::Map(map) => map_json(map),
    }
}

fn plain_value(ty: AttributeType, json: Json) -> Option<AttributeValue> {
    Some(match ty {
        AttributeType::Text => AttributeValue::Text(text(json)?),
        AttributeType::Integer => AttributeValue::Integer(json.as_i64()?),
        AttributeType::Number => AttributeValue::Number(number(&json)?),
        AttributeType::Boolean => AttributeValue::Boolean(json.as_bool()?),
        AttributeType::Time => AttributeValue::Time(Timestamp::from_ms(json.as_i64()?)),
        AttributeType::List => AttributeValue::List(list(json)?),
        AttributeType::Map => AttributeValue::Map(map(json)?),
    })
}

/// Details of an event as JSON that says of each value what it is: `{"exit_code":{"integer":3}}`.
pub(super) fn encode_details(details: &BTreeMap<String, AttributeValue>) -> String {
    let object: Map<String, Json> = details
        .iter()
        .map(|(name, value)| {
            let typed = Map::from_iter([(type_name(value).to_owned(), plain_json(value))]);
            (name.clone(), Json::Object(typed))
        })
        .collect();
    Json::Object(object).to_string()
}

/// Details of such a text, or nothing where it is damaged.
pub(super) fn decode_details(body: &str) -> Option<BTreeMap<String, AttributeValue>> {
    let Json::Object(object) = serde_json::from_str(body).ok()? else { return None };
    object
        .into_iter()
        .map(|(name, typed)| {
            let Json::Object(typed) = typed else { return None };
            let (type_name, json) = typed.into_iter().next()?;
            let (ty, _) = TYPE_NAMES.into_iter().find(|(_, name)| *name == type_name)?;
            Some((name, plain_value(ty, json)?))
        })
        .collect()
}

/// Words for the types of details.
const TYPE_NAMES: [(AttributeType, &str); 7] = [
    (AttributeType::Text, "text"),
    (AttributeType::Integer, "integer"),
    (AttributeType::Number, "number"),
    (AttributeType::Boolean, "boolean"),
    (AttributeType::Time, "time_ms"),
    (AttributeType::List, "list"),
    (AttributeType::Map, "map"),
];

fn type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::Text(_) => "text",
        AttributeValue::Integer(_) => "integer",
        AttributeValue::Number(_) => "number",
        AttributeValue::Boolean(_) => "boolean",
        AttributeValue::Time(_) => "time_ms",
        AttributeValue::List(_) => "list",
        AttributeValue::Map(_) => "map",
    }
}

/// JSON has no word for numbers that are not finite, and those of many digits are read from it with an error in the last
/// place; texts stand for both.
fn number_json(number: f64) -> Json {
    let json = serde_json::Number::from_f64(number);
    let is_exact = |json: &serde_json::Number| {
        serde_json::from_str(&json.to_string()).is_ok_and(|read: f64| read.to_bits() == number.to_bits())
    };
    json.filter(is_exact).map_or_else(|| Json::String(number.to_string()), Json::Number)
}

fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

fn text(json: Json) -> Option<String> {
    if let Json::String(text) = json { Some(text) } else { None }
}

fn list(json: Json) -> Option<Vec<String>> {
    let Json::Array(items) = json else { return None };
    items.into_iter().map(text).collect()
}

fn map_json(map: &BTreeMap<String, String>) -> Json {
    Json::Object(map.iter().map(|(name, value)| (name.clone(), Json::String(value.clone()))).collect())
}

fn map(json: Json) -> Option<BTreeMap<String, String>> {
    let Json::Object(object) = json else { return None };
    object.into_iter().map(|(name, value)| Some((name, text(value)?))).collect()
}

/// A list of texts as JSON.
pub(super) fn encode_list(list: &[String]) -> String {
    Json::Array(list.iter().cloned().map(Json::String).collect()).to_string()
}

/// The list of such a text, or nothing where it is damaged.
pub(super) fn decode_list(body: &str) -> Option<Vec<String>> {
    list(serde_json::from_str(body).ok()?)
}

/// What tells contents apart quickly: FNV-1a, which is the same in every version of this program.
pub(super) fn hash(body: &str) -> i64 {
    let hash = body
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// A whole number as samples in rows kept it.
pub(super) fn decode_int(stored: ValueRef<'_>) -> Option<i64> {
    if let ValueRef::Integer(value) = stored { Some(value) } else { None }
}

/// A float as samples in rows kept it: SQLite would have made NULL of a NaN, so a text stands for it.
#[expect(clippy::cast_precision_loss, reason = "a float column holds floats; a whole number in it is read as one")]
pub(super) fn decode_float(stored: ValueRef<'_>) -> Option<f64> {
    match stored {
        ValueRef::Real(value) => Some(value),
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Text(_) => Some(f64::NAN),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_read_back_and_sort_as_their_bytes() {
        let texts = ["", "a", "ab", "b", "a\0", "a\0b", "a\u{1}", "\0", "\0\0", "é", "node-1"];
        let mut identities: Vec<Identity> =
            texts.iter().flat_map(|first| texts.iter().map(|second| Identity::new([*first, *second]))).collect();
        identities.sort();
        let encoded: Vec<Vec<u8>> = identities.iter().map(encode_identity).collect();
        assert!(encoded.is_sorted());
        for (identity, bytes) in identities.iter().zip(&encoded) {
            assert_eq!(decode_identity(bytes).as_ref(), Some(identity));
        }
        assert_eq!(decode_identity(&[0, 7]), None);
        assert_eq!(decode_identity(&[0xff]), None);
    }

    #[test]
    fn details_of_every_type_read_back() {
        let details: BTreeMap<String, AttributeValue> = [
            ("text".to_owned(), "x".into()),
            ("integer".to_owned(), i64::MIN.into()),
            ("number".to_owned(), 2.0.into()),
            ("infinite".to_owned(), f64::NEG_INFINITY.into()),
            ("long".to_owned(), 2.419_188_747_285_035_7e76.into()),
            ("boolean".to_owned(), true.into()),
            ("time".to_owned(), Timestamp::from_ms(-5).into()),
            ("list".to_owned(), vec!["a".to_owned(), "\"".to_owned()].into()),
            ("map".to_owned(), BTreeMap::from([("k".to_owned(), "v".to_owned())]).into()),
        ]
        .into();
        assert_eq!(decode_details(&encode_details(&details)), Some(details));
        assert_eq!(decode_details("{\"a\":1}"), None);
    }
}
