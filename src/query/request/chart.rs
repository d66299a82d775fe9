//! Requests of pictures: a range, and how large it is drawn.

use crate::model::{Kind, Timestamp};

use super::known::ParameterError;
use super::parse::{Parameters, parse_size};
use super::{CHART_PARAMETERS, RangeRequest};

/// Widths that are drawn, in pixels: from what shows anything to the widest wall.
pub(crate) const WIDTH_PX: std::ops::RangeInclusive<u32> = 200..=8_000;
/// Heights of a panel that are drawn, in pixels.
pub(crate) const PANEL_HEIGHT_PX: std::ops::RangeInclusive<u32> = 100..=2_000;
/// A page's usual width.
const WIDTH_PX_DEFAULT: u32 = 1_000;
/// Four panels on a screen.
const PANEL_HEIGHT_PX_DEFAULT: u32 = 220;

/// How large a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartSize {
    /// Of all of it.
    pub width_px: u32,
    /// Of each field's panel.
    pub panel_height_px: u32,
}

/// A range request to be drawn.
#[derive(Debug, Clone)]
pub struct ChartRequest {
    /// What is drawn.
    pub range: RangeRequest,
    /// How large.
    pub size: ChartSize,
}

impl ChartRequest {
    /// Reads `width`, `height` and what [`RangeRequest::parse`] takes but for `explain`.
    pub fn parse(
        kind: &'static Kind,
        parameters: &[(String, String)],
        now: Timestamp,
        sampling_interval_ms: i64,
    ) -> Result<ChartRequest, ParameterError> {
        let own = Parameters::sort(parameters, CHART_PARAMETERS, Some(kind))?;
        let width_px = own.read("width", |text| parse_size(text, WIDTH_PX))?.unwrap_or(WIDTH_PX_DEFAULT);
        let panel_height_px =
            own.read("height", |text| parse_size(text, PANEL_HEIGHT_PX))?.unwrap_or(PANEL_HEIGHT_PX_DEFAULT);
        let of_range = |(name, _): &&(String, String)| !["width", "height"].contains(&name.as_str());
        let of_range: Vec<(String, String)> = parameters.iter().filter(of_range).cloned().collect();
        let range = RangeRequest::parse(kind, &of_range, now, sampling_interval_ms)?;
        Ok(ChartRequest { range, size: ChartSize { width_px, panel_height_px } })
    }
}
