//! A frame as a picture: a panel a field, a line a series, as wide as each bucket's time is long.
//!
//! A line stops where a number is missing; where gaps were asked for, they are shaded. Texts are as wide as the viewer's
//! fonts make them: the picture only reserves room. Must not know: HTTP, how the numbers came about.

use std::io;

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TRANSPARENT, TextStyle, WHITE};
use plotters_svg::SVGBackend;
use thiserror::Error;

use crate::model::Timestamp;
use crate::query::civil::format_bucket_time;
use crate::query::frame::{Frame, FrameField, Series};
use crate::query::request::{ChartSize, Zone};

mod axis;
#[cfg(test)]
mod tests;

use axis::{TimeAxis, ValueAxis};

/// Lines of one picture: more cannot be told apart, and `top` says which are meant.
pub const SERIES_MAX: usize = 100;
/// Panels of one picture: more do not fit on a screen, and `fields` says which are meant.
pub const PANELS_MAX: usize = 24;

/// Colours that people with any colour vision can tell apart (Paul Tol's "muted" scheme); they come again after the last.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0xCC, 0x66, 0x77),
    RGBColor(0x11, 0x77, 0x33),
    RGBColor(0xAA, 0x44, 0x99),
    RGBColor(0x88, 0xCC, 0xEE),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0xDD, 0xCC, 0x77),
    RGBColor(0x44, 0xAA, 0x99),
];
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const GAP: RGBColor = RGBColor(0xEE, 0xEE, 0xEE);

const FONT: &str = "sans-serif";
/// Heights in pixels of the drawing library's font scale, which prints them divided by 1.24.
const TITLE_SIZE: i32 = 20;
const TEXT_SIZE: i32 = 15;
/// Room for a character of ordinary text.
const CHARACTER_PX: i32 = 7;
const MARGIN_PX: i32 = 12;
const HEAD_PX: i32 = 52;
const TIMES_PX: i32 = 26;
const VALUES_PX: i32 = 84;
const LINE_PX: u32 = 2;
const LEGEND_ROW_PX: i32 = 18;
const LEGEND_LINE_PX: i32 = 18;
/// Characters of a label in the legend: what is longer is cut in its middle.
const LABEL_CHARACTERS_MAX: usize = 60;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum ChartError {
    /// More lines than can be told apart.
    #[error("{0} series are more than the {SERIES_MAX} that a picture can show")]
    TooManySeries(usize),
    /// More panels than fit.
    #[error("{0} fields are more than the {PANELS_MAX} that a picture has panels for")]
    TooManyFields(usize),
    /// The drawing library gave up.
    #[error("cannot draw")]
    Draw(#[source] Box<DrawingAreaErrorKind<io::Error>>),
}

impl From<DrawingAreaErrorKind<io::Error>> for ChartError {
    fn from(cause: DrawingAreaErrorKind<io::Error>) -> Self {
        ChartError::Draw(Box::new(cause))
    }
}

/// The picture as an SVG document.
pub fn svg(frame: &Frame, size: ChartSize) -> Result<String, ChartError> {
    if frame.series.len() > SERIES_MAX {
        return Err(ChartError::TooManySeries(frame.series.len()));
    }
    if frame.fields.len() > PANELS_MAX {
        return Err(ChartError::TooManyFields(frame.fields.len()));
    }
    let legend = Legend::of(frame, signed(size.width_px));
    let panels_px = signed(size.panel_height_px).saturating_mul(whole(frame.fields.len().max(1)));
    let height_px = HEAD_PX + panels_px + legend.height_px() + MARGIN_PX;
    let mut document = String::new();
    {
        let root =
            SVGBackend::with_string(&mut document, (size.width_px, height_px.unsigned_abs())).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, rest) = root.split_vertically(HEAD_PX);
        let (panels, foot) = rest.split_vertically(panels_px);
        draw_head(&head, frame)?;
        if frame.series.is_empty() {
            panels.draw(&Text::new(
                "nothing was seen in this range",
                (MARGIN_PX, MARGIN_PX),
                text(TEXT_SIZE, FAINT),
            ))?;
        } else {
            let edges = edges(frame);
            for (index, area) in panels.split_evenly((frame.fields.len(), 1)).iter().enumerate() {
                if let Some(field) = frame.fields.get(index) {
                    Panel { frame, field, index, edges: &edges }.draw(area)?;
                }
            }
        }
        legend.draw(&foot)?;
        root.present()?;
    }
    Ok(document)
}

fn draw_head(area: &Area<'_>, frame: &Frame) -> Result<(), ChartError> {
    let time = |at: Timestamp| format_bucket_time(at, frame.zone);
    let zone = match frame.zone {
        Zone::Utc => "UTC",
        Zone::Named(zone) => zone.name(),
    };
    let (start, end) = (time(frame.range.start()), time(frame.range.end()));
    let about = format!("{start} to {end} ({zone}), step {}, from {}", frame.step.label(), frame.resolution);
    area.draw(&Text::new(frame.kind.name, (MARGIN_PX, MARGIN_PX), text(TITLE_SIZE, INK)))?;
    area.draw(&Text::new(about, (MARGIN_PX, MARGIN_PX + TITLE_SIZE), text(TEXT_SIZE, FAINT)))?;
    Ok(())
}

/// One field of all series.
struct Panel<'a> {
    frame: &'a Frame,
    field: &'a FrameField,
    index: usize,
    edges: &'a [i64],
}

impl Panel<'_> {
    fn draw(&self, area: &Area<'_>) -> Result<(), ChartError> {
        let (width_px, height_px) = area.dim_in_pixel();
        let times = TimeAxis::over(self.frame.range, self.frame.zone, width_px);
        let numbers = self.frame.series.iter().flat_map(|series| self.numbers(series)).flatten();
        let values = ValueAxis::over(numbers, self.field.unit, height_px);
        let (low, high) = values.ends();
        let caption = match self.field.unit {
            "" => self.field.key.clone(),
            unit => format!("{}, {unit}", self.field.key),
        };
        let mut chart = ChartBuilder::on(area)
            .margin_right(2 * MARGIN_PX)
            .x_label_area_size(TIMES_PX)
            .y_label_area_size(VALUES_PX)
            .caption(caption, text(TEXT_SIZE, INK))
            .build_cartesian_2d(times, values)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(FAINT)
            .label_style(text(TEXT_SIZE, FAINT))
            .draw()?;
        let gaps = self.frame.gaps.iter().flatten();
        chart
            .draw_series(gaps.map(|gap| Rectangle::new([(gap.start.ms(), low), (gap.end.ms(), high)], GAP.filled())))?;
        for (number, series) in self.frame.series.iter().enumerate() {
            let lines = stretches(self.edges, self.numbers(series));
            chart.draw_series(lines.into_iter().map(|points| PathElement::new(points, line(number))))?;
        }
        Ok(())
    }

    /// A series' numbers bucket by bucket; what no axis has a place for is missing.
    fn numbers(&self, series: &Series) -> impl Iterator<Item = Option<f64>> {
        let values = series.values.get(self.index).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|number| number.as_f64().filter(|value| value.is_finite()))
    }
}

/// Lines through the numbers of neighbouring buckets: each as long as its bucket, none across a missing one.
fn stretches(edges: &[i64], numbers: impl Iterator<Item = Option<f64>>) -> Vec<Vec<(i64, f64)>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    for (bucket, number) in edges.windows(2).zip(numbers) {
        match (bucket, number) {
            (&[start, end], Some(value)) => line.extend([(start, value), (end, value)]),
            _ if line.is_empty() => {}
            _ => lines.push(std::mem::take(&mut line)),
        }
    }
    lines.push(line);
    lines.retain(|line| !line.is_empty());
    lines
}

/// Starts of all buckets and the end of the last.
fn edges(frame: &Frame) -> Vec<i64> {
    frame.times.iter().copied().chain([frame.range.end()]).map(Timestamp::ms).collect()
}

/// Which colour is whose.
struct Legend {
    labels: Vec<String>,
    columns: usize,
    column_px: i32,
}

impl Legend {
    fn of(frame: &Frame, width_px: i32) -> Legend {
        let label = |series: &Series| {
            let parts: Vec<&str> = series.labels.iter().flatten().map(String::as_str).collect();
            shortened(if parts.is_empty() { "all" } else { "" }, &parts.join(" "))
        };
        let labels: Vec<String> = frame.series.iter().map(label).collect();
        let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1);
        let column_px = whole(longest).saturating_mul(CHARACTER_PX) + LEGEND_LINE_PX + 3 * MARGIN_PX;
        let columns = (width_px - MARGIN_PX) / column_px.max(1);
        Legend { labels, columns: usize::try_from(columns).unwrap_or(1).max(1), column_px }
    }

    fn height_px(&self) -> i32 {
        whole(self.labels.len().div_ceil(self.columns)).saturating_mul(LEGEND_ROW_PX) + MARGIN_PX
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), ChartError> {
        for (number, label) in self.labels.iter().enumerate() {
            let x = MARGIN_PX + whole(number % self.columns).saturating_mul(self.column_px);
            let y = MARGIN_PX + whole(number / self.columns).saturating_mul(LEGEND_ROW_PX);
            let sample = vec![(x, y), (x + LEGEND_LINE_PX, y)];
            area.draw(&PathElement::new(sample, line(number)))?;
            let place = (x + LEGEND_LINE_PX + MARGIN_PX / 2, y - TEXT_SIZE / 2);
            area.draw(&Text::new(label.as_str(), place, text(TEXT_SIZE, INK)))?;
        }
        Ok(())
    }
}

/// A label as a legend has room for it. XML has no form for control characters: a box stands for each.
fn shortened(otherwise: &str, label: &str) -> String {
    let clean: Vec<char> =
        format!("{otherwise}{label}").chars().map(|c| if c.is_control() { '\u{25a1}' } else { c }).collect();
    let count = clean.len();
    if count <= LABEL_CHARACTERS_MAX {
        return clean.into_iter().collect();
    }
    let half = (LABEL_CHARACTERS_MAX - 1) / 2;
    let (begin, end) = (clean.iter().take(half), clean.iter().skip(count - half));
    begin.chain([&'…']).chain(end).collect()
}

fn line(number: usize) -> ShapeStyle {
    let colour = COLOURS.get(number % COLOURS.len()).unwrap_or(&INK);
    colour.stroke_width(LINE_PX)
}

fn text(size: i32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn signed(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}
