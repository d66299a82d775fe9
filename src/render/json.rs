//! JSON, written as it comes: no tree of the whole answer is ever held.
//!
//! Must not know: HTTP, what the answers mean beyond a frame.

use std::io::{self, Write};

use super::cell::{push_bucket_time, push_json, push_json_text};
use crate::model::Timestamp;
use crate::query::cell::Cell;
use crate::query::frame::Frame;
use crate::query::request::{Across, RangeRequest, Zone};

/// Bytes gathered before they are handed on: fewer, larger writes.
const BUFFER_BYTES: usize = 16 * 1024;

/// Writes JSON piece by piece; commas are its business.
#[derive(Debug)]
pub struct JsonWriter<W: Write> {
    out: W,
    buffer: Vec<u8>,
    zone: Zone,
    needs_comma: bool,
}

impl<W: Write> JsonWriter<W> {
    /// A writer that prints times in `zone`.
    pub fn new(out: W, zone: Zone) -> Self {
        JsonWriter { out, buffer: Vec::with_capacity(BUFFER_BYTES), zone, needs_comma: false }
    }

    fn begin_value(&mut self) -> io::Result<()> {
        if self.needs_comma {
            self.buffer.push(b',');
        }
        self.needs_comma = true;
        if self.buffer.len() >= BUFFER_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes `{ … }` around what `inside` writes.
    pub fn object(&mut self, inside: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.nested(b'{', b'}', inside)
    }

    /// Writes `[ … ]` around what `inside` writes.
    pub fn array(&mut self, inside: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.nested(b'[', b']', inside)
    }

    fn nested(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.begin(open)?;
        inside(self)?;
        self.end(close);
        Ok(())
    }

    /// Opens an object or array that a later [`JsonWriter::end`] closes.
    pub fn begin(&mut self, open: u8) -> io::Result<()> {
        self.begin_value()?;
        self.buffer.push(open);
        self.needs_comma = false;
        Ok(())
    }

    /// Closes what [`JsonWriter::begin`] opened.
    pub fn end(&mut self, close: u8) {
        self.buffer.push(close);
        self.needs_comma = true;
    }

    /// Names the value that follows.
    pub fn key(&mut self, name: &str) -> io::Result<&mut Self> {
        self.begin_value()?;
        push_json_text(&mut self.buffer, name);
        self.buffer.push(b':');
        self.needs_comma = false;
        Ok(self)
    }

    /// One value.
    pub fn cell(&mut self, cell: &Cell<'_>) -> io::Result<()> {
        self.begin_value()?;
        push_json(&mut self.buffer, cell, self.zone);
        Ok(())
    }

    /// One text.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.cell(&Cell::Text(text))
    }

    /// One text, or null.
    pub fn text_or_null(&mut self, text: Option<&str>) -> io::Result<()> {
        self.cell(&text.map_or(Cell::Null, Cell::Text))
    }

    /// One whole number.
    pub fn integer(&mut self, value: i64) -> io::Result<()> {
        self.cell(&Cell::Scaled { value, decimals: 0 })
    }

    /// true or false.
    pub fn boolean(&mut self, value: bool) -> io::Result<()> {
        self.begin_value()?;
        self.buffer.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    /// The start of a bucket, or the edge of a range.
    pub fn bucket_time(&mut self, at: Timestamp) -> io::Result<()> {
        self.begin_value()?;
        self.buffer.push(b'"');
        push_bucket_time(&mut self.buffer, at, self.zone);
        self.buffer.push(b'"');
        Ok(())
    }

    /// Ends a line of JSON Lines: what follows is a text of its own.
    pub fn end_line(&mut self) {
        self.buffer.push(b'\n');
        self.needs_comma = false;
    }

    /// Hands over what is still buffered, each line having been ended.
    pub fn finish_lines(mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }

    /// Ends the text with a line break and hands over what is still buffered.
    pub fn finish(mut self) -> io::Result<()> {
        self.buffer.push(b'\n');
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }
}

/// Writes a row of a table as an object: the header's names, each with its cell.
pub fn row<'a, W: Write>(
    json: &mut JsonWriter<W>,
    names: &[&str],
    cells: impl IntoIterator<Item = Cell<'a>>,
) -> io::Result<()> {
    json.object(|json| names.iter().zip(cells).try_for_each(|(name, cell)| json.key(name)?.cell(&cell)))
}

/// The name of a zone in answers.
pub fn zone_name(zone: Zone) -> &'static str {
    match zone {
        Zone::Utc => "UTC",
        Zone::Named(tz) => tz.name(),
    }
}

/// Writes a frame and, resolved, the request it answers. `filters` are the conditions as they were given.
pub fn frame<W: Write>(out: W, frame: &Frame, request: &RangeRequest, filters: &[(String, String)]) -> io::Result<()> {
    frame_with(out, frame, request, filters, |_| Ok(()))
}

/// Writes a frame as [`frame`] does, and after it what `more` adds.
pub fn frame_with<W: Write>(
    out: W,
    frame: &Frame,
    request: &RangeRequest,
    filters: &[(String, String)],
    more: impl FnOnce(&mut JsonWriter<W>) -> io::Result<()>,
) -> io::Result<()> {
    let mut json = JsonWriter::new(out, frame.zone);
    json.object(|json| {
        json.key("kind")?.text(frame.kind.name)?;
        json.key("start")?.bucket_time(frame.range.start())?;
        json.key("end")?.bucket_time(frame.range.end())?;
        let step_seconds = frame.step.seconds();
        json.key("step_seconds")?
            .cell(&step_seconds.map_or(Cell::Null, |value| Cell::Scaled { value, decimals: 0 }))?;
        json.key("step")?.text(&frame.step.label())?;
        json.key("tz")?.text(zone_name(frame.zone))?;
        json.key("resolution")?.text(frame.resolution)?;
        echo(json, frame, request, filters)?;
        json.key("fields")?.array(|json| {
            for field in &frame.fields {
                json.object(|json| {
                    json.key("name")?.text(field.name)?;
                    json.key("agg")?.text(field.agg.name())?;
                    json.key("unit")?.text(field.unit)
                })?;
            }
            Ok(())
        })?;
        json.key("times")?.array(|json| frame.times.iter().try_for_each(|&at| json.bucket_time(at)))?;
        json.key("series")?.array(|json| series(json, frame))?;
        gaps(json, frame)?;
        more(json)
    })?;
    json.finish()
}

fn echo<W: Write>(
    json: &mut JsonWriter<W>,
    frame: &Frame,
    request: &RangeRequest,
    filters: &[(String, String)],
) -> io::Result<()> {
    json.key("filters")?.array(|json| {
        for (name, value) in filters {
            json.object(|json| {
                json.key("name")?.text(name)?;
                json.key("value")?.text(value)
            })?;
        }
        Ok(())
    })?;
    match &request.group_by {
        None => json.key("group_by")?.cell(&Cell::Null)?,
        Some(_) => {
            json.key("group_by")?.array(|json| frame.label_names.iter().try_for_each(|name| json.text(name)))?;
        }
    }
    json.key("across")?.text_or_null(request.across.map(Across::name))?;
    match &request.top {
        None => {
            json.key("top")?.cell(&Cell::Null)?;
            json.key("top_by")?.cell(&Cell::Null)?;
        }
        Some(top) => {
            json.key("top")?.integer(i64::try_from(top.count).unwrap_or(i64::MAX))?;
            json.key("top_by")?.text(&format!("{}.{}", top.by.name, top.by.agg.name()))?;
        }
    }
    json.key("coverage")?.boolean(request.coverage)
}

fn series<W: Write>(json: &mut JsonWriter<W>, frame: &Frame) -> io::Result<()> {
    for series in &frame.series {
        json.object(|json| {
            json.key("labels")?.object(|json| {
                for (name, value) in frame.label_names.iter().zip(&series.labels) {
                    json.key(name)?.text_or_null(value.as_deref())?;
                }
                Ok(())
            })?;
            json.key("values")?.object(|json| {
                for (field, values) in frame.fields.iter().zip(&series.values) {
                    json.key(&field.key)?
                        .array(|json| values.iter().try_for_each(|&number| json.cell(&number.into())))?;
                }
                Ok(())
            })?;
            if let Some(coverage) = &series.coverage {
                json.key("coverage")?
                    .array(|json| coverage.iter().try_for_each(|&part| json.cell(&Cell::Derived(part))))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn gaps<W: Write>(json: &mut JsonWriter<W>, frame: &Frame) -> io::Result<()> {
    let Some(gaps) = &frame.gaps else { return Ok(()) };
    json.key("gaps")?.array(|json| {
        for gap in gaps {
            json.object(|json| {
                json.key("target")?.text(gap.target.as_str())?;
                json.key("start")?.cell(&Cell::Time(gap.start))?;
                json.key("end")?.cell(&Cell::Time(gap.end))?;
                json.key("cause")?.text(gap.cause.name())
            })?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, TargetName, TimeRange};
    use crate::query::cell::Number;
    use crate::query::frame::{Cause, FrameField, Gap, Series};
    use crate::query::request::test_kinds::CONTAINER;
    use crate::query::request::{Agg, Step};

    fn request(parameters: &[(&str, &str)]) -> RangeRequest {
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RangeRequest::parse(&CONTAINER, &pairs, Timestamp::from_ms(3_600_000), 10_000).unwrap()
    }

    fn example(request: &RangeRequest) -> Frame {
        let field = |agg: Agg, key: &str| FrameField { name: "cpu_cores", agg, unit: "cores", key: key.to_owned() };
        Frame {
            kind: &CONTAINER,
            range: TimeRange::new(Timestamp::from_ms(500), Timestamp::from_ms(120_000)).unwrap(),
            step: Step::Fixed(60_000),
            zone: Zone::Utc,
            resolution: "samples",
            fields: vec![field(Agg::Avg, "cpu_cores.avg"), field(Agg::Max, "cpu_cores.max")],
            label_names: request.group_by.iter().flatten().map(|label| label.name(&CONTAINER)).collect(),
            times: vec![Timestamp::from_ms(500), Timestamp::from_ms(60_000)],
            series: vec![Series {
                labels: vec![Some("/a,b".to_owned()), None],
                values: vec![
                    vec![Number::Derived(1.0 / 3.0), Number::Null],
                    vec![Number::Derived(f64::INFINITY), Number::Scaled { value: -5, decimals: 1 }],
                ],
                coverage: Some(vec![1.0, 0.5]),
            }],
            gaps: Some(vec![
                Gap {
                    target: TargetName::new("docker", "n"),
                    start: Timestamp::from_ms(90_000),
                    end: Timestamp::from_ms(120_000),
                    cause: Cause::Polls(Outcome::Timeout),
                },
                Gap {
                    target: TargetName::new("docker", "n"),
                    start: Timestamp::from_ms(500),
                    end: Timestamp::from_ms(900),
                    cause: Cause::NotRunning,
                },
            ]),
        }
    }

    #[test]
    fn a_frame_with_everything() {
        let request = request(&[
            ("fields", "cpu_cores"),
            ("agg", "avg,max"),
            ("group_by", "app,label.env"),
            ("across", "sum"),
            ("top", "3"),
            ("coverage", "1"),
            ("app", "/a*"),
        ]);
        let frame = example(&request);
        let mut out = Vec::new();
        super::frame(&mut out, &frame, &request, &[("app".to_owned(), "/a*".to_owned())]).unwrap();
        let expected = concat!(
            r#"{"kind":"container","start":"1970-01-01T00:00:00.500Z","end":"1970-01-01T00:02:00Z","#,
            r#""step_seconds":60,"step":"1m","tz":"UTC","resolution":"samples","#,
            r#""filters":[{"name":"app","value":"/a*"}],"group_by":["app","label.env"],"across":"sum","#,
            r#""top":3,"top_by":"cpu_cores.avg","coverage":true,"#,
            r#""fields":[{"name":"cpu_cores","agg":"avg","unit":"cores"},"#,
            r#"{"name":"cpu_cores","agg":"max","unit":"cores"}],"#,
            r#""times":["1970-01-01T00:00:00.500Z","1970-01-01T00:01:00Z"],"#,
            r#""series":[{"labels":{"app":"/a,b","label.env":null},"#,
            r#""values":{"cpu_cores.avg":[0.333333333,null],"cpu_cores.max":["+Inf",-0.5]},"coverage":[1,0.5]}],"#,
            r#""gaps":[{"target":"docker/n","start":"1970-01-01T00:01:30.000Z","end":"1970-01-01T00:02:00.000Z","#,
            r#""cause":"timeout"},{"target":"docker/n","start":"1970-01-01T00:00:00.500Z","#,
            r#""end":"1970-01-01T00:00:00.900Z","cause":"not_running"}]}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);

        let mut out = Vec::new();
        crate::render::csv::frame(&mut out, &frame).unwrap();
        let expected = "time,app,label.env,cpu_cores.avg,cpu_cores.max,coverage\r\n\
            1970-01-01T00:00:00.500Z,\"/a,b\",,0.333333333,+Inf,1\r\n\
            1970-01-01T00:01:00Z,\"/a,b\",,,-0.5,0.5\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn one_series_of_everything_has_no_labels() {
        let request = request(&[("group_by", ""), ("step", "1mo")]);
        let mut frame = example(&request);
        (frame.step, frame.gaps) = (Step::Month, None);
        frame.series[0].labels.clear();
        let mut out = Vec::new();
        super::frame(&mut out, &frame, &request, &[]).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&answer["step_seconds"], &answer["step"]), (&serde_json::Value::Null, &"1mo".into()));
        assert_eq!(
            (&answer["group_by"], &answer["series"][0]["labels"]),
            (&serde_json::json!([]), &serde_json::json!({}))
        );
        assert!(answer.get("gaps").is_none());
    }
}
