//! The certificate of a death as JSON.
//!
//! Must not know: HTTP, how a certificate is put together.

use std::io::{self, Write};

use super::json::JsonWriter;
use crate::query::cell::Cell;
use crate::query::certificate::Certificate;

/// Writes one certificate.
pub fn json<W: Write>(json: &mut JsonWriter<W>, certificate: &Certificate) -> io::Result<()> {
    let whole = |value: Option<i64>| value.map_or(Cell::Null, |value| Cell::Scaled { value, decimals: 0 });
    json.object(|json| {
        json.key("started")?.cell(&certificate.started.map_or(Cell::Null, Cell::Time))?;
        let lifetime = certificate.lifetime_ms.map_or(Cell::Null, |value| Cell::Scaled { value, decimals: 3 });
        json.key("lifetime_seconds")?.cell(&lifetime)?;
        json.key("exit_code")?.cell(&whole(certificate.exit_code))?;
        match certificate.oom_killed {
            Some(killed) => json.key("oom_killed")?.boolean(killed)?,
            None => json.key("oom_killed")?.cell(&Cell::Null)?,
        }
        json.key("last_sample")?.cell(&certificate.last_sample.map_or(Cell::Null, Cell::Time))?;
        json.key("memory_peak_bytes")?.cell(&certificate.memory_peak_bytes.into())?;
        json.key("memory_last_bytes")?.cell(&certificate.memory_last_bytes.into())?;
        json.key("memory_limit_bytes")?.cell(&certificate.memory_limit_bytes.into())?;
        json.key("memory_peak_ratio")?.cell(&certificate.memory_peak_ratio.map_or(Cell::Null, Cell::Derived))?;
        json.key("cpu_last_cores")?.cell(&certificate.cpu_last_cores.into())?;
        json.key("restarts_before")?.cell(&whole(certificate.restarts_before))?;
        let deaths = i64::try_from(certificate.deaths_in_day_before).ok();
        json.key("deaths_in_day_before")?.cell(&whole(deaths))?;
        json.key("events_before")?.array(|json| {
            certificate.events_before.iter().try_for_each(|event| {
                json.object(|json| {
                    json.key("time")?.cell(&Cell::Time(event.at))?;
                    json.key("severity")?.text(event.severity.name())?;
                    json.key("type")?.text(event.event_type)?;
                    json.key("message")?.text(&event.message)
                })
            })
        })
    })
}
