//! `/kinds`: what is recorded, as its descriptions say.
//!
//! Must not know: any kind by name.

use std::io::{self, Write};

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::Ask;
use crate::model::{AttributeType, Class, Kind};
use crate::query::cell::Cell;
use crate::query::request::{Zone, parse_none};
use crate::render::json::JsonWriter;
use crate::render::rows::{Form, Rows};

/// All kinds: in JSON with their columns, in CSV a row each.
pub(crate) async fn all(ask: &Ask) -> Result<Response, Problem> {
    parse_none(&ask.pairs)?;
    let (kinds, format, form) = (ask.context.kinds, ask.format, ask.form());
    let producer = move |out: &mut Output| match format {
        Format::Json => {
            let mut json = JsonWriter::new(out, Zone::Utc);
            json.object(|json| {
                json.key("kinds")?.array(|json| kinds.iter().try_for_each(|kind| describe(json, kind)))
            })?;
            json.finish()?;
            Ok(Ending::default())
        }
        Format::Csv | Format::Lines => {
            let mut table = Rows::new(out, form, Zone::Utc, ["name", "help", "identity", "display"])?;
            for kind in kinds {
                let identity: Vec<&str> = kind.identity.iter().map(|key| key.name).collect();
                let (identity, display) = (identity.join(" "), kind.display.join(" "));
                table.row([kind.name, kind.help, &identity, &display].map(Cell::Text))?;
            }
            table.finish()?;
            Ok(Ending::default())
        }
    };
    finish(ask.table("kinds", false, producer).await?)
}

/// One kind: in CSV its dictionary, a row for everything it has.
pub(crate) async fn one(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    parse_none(&ask.pairs)?;
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| match format {
        Format::Json => {
            let mut json = JsonWriter::new(out, Zone::Utc);
            describe(&mut json, kind)?;
            json.finish()?;
            Ok::<_, Failure>(Ending::default())
        }
        Format::Csv | Format::Lines => {
            dictionary(out, form, kind)?;
            Ok(Ending::default())
        }
    };
    finish(ask.table(&format!("{}_columns", kind.name), false, producer).await?)
}

fn finish(mut response: Response) -> Result<Response, Problem> {
    mark(&mut response, None);
    Ok(response)
}

fn describe<W: Write>(json: &mut JsonWriter<W>, kind: &Kind) -> io::Result<()> {
    json.object(|json| {
        json.key("name")?.text(kind.name)?;
        json.key("help")?.text(kind.help)?;
        json.key("identity")?.array(|json| {
            kind.identity.iter().try_for_each(|key| {
                json.object(|json| {
                    json.key("name")?.text(key.name)?;
                    json.key("help")?.text(key.help)
                })
            })
        })?;
        json.key("attributes")?.array(|json| {
            kind.attributes.iter().try_for_each(|attribute| {
                json.object(|json| {
                    json.key("name")?.text(attribute.name)?;
                    json.key("type")?.text(attribute_type(attribute.ty))?;
                    json.key("help")?.text(attribute.help)
                })
            })
        })?;
        json.key("columns")?.array(|json| {
            columns(kind).try_for_each(|column| {
                json.object(|json| {
                    json.key("name")?.text(column.name)?;
                    json.key("type")?.text(column.ty)?;
                    json.key("unit")?.text(column.unit)?;
                    json.key("headline")?.boolean(column.headline)?;
                    json.key("additive")?.boolean(column.additive)?;
                    json.key("help")?.text(column.help)
                })
            })
        })?;
        json.key("display")?.array(|json| kind.display.iter().try_for_each(|name| json.text(name)))
    })
}

fn dictionary(out: &mut Output, form: Form, kind: &Kind) -> io::Result<()> {
    let mut table = Rows::new(out, form, Zone::Utc, ["name", "role", "type", "unit", "headline", "additive", "help"])?;
    for key in kind.identity {
        table.row([key.name, "identity", "text", "", "", "", key.help].map(Cell::Text))?;
    }
    for attribute in kind.attributes {
        let ty = attribute_type(attribute.ty);
        table.row([attribute.name, "attribute", ty, "", "", "", attribute.help].map(Cell::Text))?;
    }
    let word = |yes: bool| if yes { "true" } else { "false" };
    for column in columns(kind) {
        let (headline, additive) = (word(column.headline), word(column.additive));
        let row = [column.name, "column", column.ty, column.unit, headline, additive, column.help];
        table.row(row.map(Cell::Text))?;
    }
    table.finish()
}

/// A stored or derived column, as it is told outside.
struct Described {
    name: &'static str,
    ty: &'static str,
    unit: &'static str,
    headline: bool,
    additive: bool,
    help: &'static str,
}

fn columns(kind: &Kind) -> impl Iterator<Item = Described> {
    let stored = kind.columns.iter().map(|column| Described {
        name: column.name,
        ty: match column.class {
            Class::Counter => "counter",
            Class::Gauge => "gauge",
        },
        unit: column.unit,
        headline: column.headline,
        additive: column.additive,
        help: column.help,
    });
    let derived = kind.derived.iter().map(|derived| Described {
        name: derived.name,
        ty: "derived",
        unit: derived.unit,
        headline: derived.headline,
        additive: derived.additive,
        help: derived.help,
    });
    stored.chain(derived)
}

fn attribute_type(ty: AttributeType) -> &'static str {
    match ty {
        AttributeType::Text => "text",
        AttributeType::Integer => "integer",
        AttributeType::Number => "number",
        AttributeType::Boolean => "boolean",
        AttributeType::Time => "time",
        AttributeType::List => "list",
        AttributeType::Map => "map",
    }
}
