//! What differs between two instants: things come, gone, moved, facts changed, and the numbers that moved most.
//!
//! Pure: entities and frames in, differences out. Must not know: the store, how they are printed.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{AttributeValue, Attributes, EntityRecord, Identity, Kind, TimeRange, Timestamp};

use super::frame::{Frame, Series};
use super::request::Selected;

/// Values that a window needs before its mean is one.
const VALUES_MIN: usize = 5;
/// A mean that moved by this part of itself counts as one deviation at least: what is very steady moves easily.
const STEADY_PART: f64 = 0.05;
/// What a thing that moved is known by again: its task, else its name.
const KNOWN_BY: [&str; 2] = ["task", "name"];

/// What differs.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// Things that began.
    pub come: Vec<Life>,
    /// Things that ended.
    pub gone: Vec<Life>,
    /// Things that ended on one host and began on another.
    pub moved: Vec<Move>,
    /// Facts that changed, in time order.
    pub changes: Vec<Change>,
    /// Numbers, those that moved most first.
    pub numbers: Vec<Number>,
}

/// Something that began or ended.
#[derive(Debug, Clone)]
pub struct Life {
    /// Its kind.
    pub kind: &'static Kind,
    /// Which.
    pub identity: Identity,
    /// Its facts then.
    pub attributes: Arc<Attributes>,
    /// When.
    pub at: Timestamp,
}

/// Something that ended on one host and began on another.
#[derive(Debug, Clone)]
pub struct Move {
    /// What ended.
    pub from: Life,
    /// What began.
    pub to: Life,
}

/// A fact that changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// Kind of the thing.
    pub kind: &'static Kind,
    /// Which.
    pub identity: Identity,
    /// All its facts after the change.
    pub attributes: Arc<Attributes>,
    /// The fact.
    pub attribute: &'static str,
    /// Before.
    pub old: Option<AttributeValue>,
    /// After.
    pub new: Option<AttributeValue>,
    /// From when on.
    pub at: Timestamp,
}

/// A number in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// Mean of its values.
    pub mean: f64,
    /// How many values there are.
    pub values: usize,
    /// The part of the window that is known.
    pub coverage: f64,
}

/// A number that can be compared.
#[derive(Debug, Clone)]
pub struct Number {
    /// Its kind.
    pub kind: &'static Kind,
    /// What it belongs to, by name.
    pub labels: Vec<(String, Option<String>)>,
    /// The column.
    pub field: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// In the window before.
    pub before: Side,
    /// In the window after.
    pub after: Side,
    /// Mean after / mean before; None over 0.
    pub ratio: Option<f64>,
    /// How far it moved, in deviations.
    pub score: f64,
}

impl Diff {
    /// Adds what an entity contributes. Before `known_from` nobody knew what its target had: what was there in the
    /// first list had not come then.
    pub fn take(&mut self, selected: &Selected, entity: &EntityRecord, range: TimeRange, known_from: Timestamp) {
        let kind = selected.kind;
        let passes = |attributes: &Attributes| selected.filter.matches(kind, &entity.identity, attributes);
        let life = |at: Timestamp| {
            let attributes = entity.attributes_at(at);
            let identity = entity.identity.clone();
            passes(&attributes).then_some(Life { kind, identity, attributes, at })
        };
        if range.contains(entity.first_seen) && entity.first_seen > known_from {
            self.come.extend(life(entity.first_seen));
        }
        if let Some(ended) = entity.ended.filter(|ended| range.contains(*ended)) {
            self.gone.extend(life(ended));
        }
        for (old, new) in entity.versions.iter().zip(entity.versions.iter().skip(1)) {
            if !range.contains(new.from) || !(passes(&old.attributes) || passes(&new.attributes)) {
                continue;
            }
            let names: BTreeSet<&'static str> = old.attributes.keys().chain(new.attributes.keys()).copied().collect();
            for attribute in names {
                let (before, after) = (old.attributes.get(attribute), new.attributes.get(attribute));
                if before != after {
                    self.changes.push(Change {
                        kind,
                        identity: entity.identity.clone(),
                        attributes: Arc::clone(&new.attributes),
                        attribute,
                        old: before.cloned(),
                        new: after.cloned(),
                        at: new.from,
                    });
                }
            }
        }
    }

    /// How many things and facts have been found.
    pub fn len(&self) -> usize {
        self.come.len().saturating_add(self.gone.len()).saturating_add(self.changes.len())
    }

    /// Whether nothing has been found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the numbers of one kind, from its frames in the windows before and after.
    pub fn compare(&mut self, before: &Frame, after: &Frame, edges: (&[Timestamp], &[Timestamp])) {
        let of_before: HashMap<&[Option<String>], &Series> =
            before.series.iter().map(|series| (series.labels.as_slice(), series)).collect();
        for series in &after.series {
            let Some(earlier) = of_before.get(series.labels.as_slice()) else { continue };
            for (index, field) in after.fields.iter().enumerate() {
                let (Some(old), Some(new)) = (values(earlier, index), values(series, index)) else { continue };
                let (mean_before, mean_after) = (mean(&old), mean(&new));
                let side = |series: &Series, values: &[f64], edges| Side {
                    mean: mean(values),
                    values: values.len(),
                    coverage: coverage(series, edges),
                };
                let labels = after.label_names.iter().cloned().zip(series.labels.iter().cloned());
                self.numbers.push(Number {
                    kind: after.kind,
                    labels: labels.collect(),
                    field: field.name,
                    unit: field.unit,
                    before: side(earlier, &old, edges.0),
                    after: side(series, &new, edges.1),
                    ratio: Some(mean_after / mean_before).filter(|ratio| ratio.is_finite()),
                    score: score(&old, &new, noise_floor(field.unit)),
                });
            }
        }
    }

    /// Puts everything in order, tells moves from comings and goings, keeps the `top` numbers.
    pub fn finish(&mut self, top: usize) {
        self.come.sort_by(by_time);
        self.gone.sort_by(by_time);
        self.changes.sort_by_key(|change| change.at);
        self.pair_moves();
        let size = |number: &Number| number.score.abs();
        self.numbers.sort_by(|a, b| {
            let by_size = size(b).partial_cmp(&size(a)).unwrap_or(Ordering::Equal);
            by_size.then_with(|| (a.kind.name, a.field, &a.labels).cmp(&(b.kind.name, b.field, &b.labels)))
        });
        self.numbers.truncate(top);
    }

    /// What ended on one host and began on another under the same name has moved.
    fn pair_moves(&mut self) {
        let mut ended: HashMap<(&'static str, String), Vec<usize>> = HashMap::new();
        for (index, gone) in self.gone.iter().enumerate() {
            if let Some(known) = known_by(gone) {
                ended.entry((gone.kind.name, known.to_owned())).or_default().push(index);
            }
        }
        let (mut come, mut moved_from) = (Vec::new(), HashMap::new());
        for began in std::mem::take(&mut self.come) {
            let candidates = known_by(&began).and_then(|known| ended.get_mut(&(began.kind.name, known.to_owned())));
            let is_elsewhere = |index: &usize| self.gone.get(*index).is_some_and(|gone| host(gone) != host(&began));
            let from = candidates.and_then(|all| all.iter().position(is_elsewhere).map(|place| all.remove(place)));
            match from {
                Some(index) => drop(moved_from.insert(index, began)),
                None => come.push(began),
            }
        }
        self.come = come;
        for (index, gone) in std::mem::take(&mut self.gone).into_iter().enumerate() {
            match moved_from.remove(&index) {
                Some(to) => self.moved.push(Move { from: gone, to }),
                None => self.gone.push(gone),
            }
        }
    }
}

fn by_time(a: &Life, b: &Life) -> Ordering {
    (a.at, a.kind.name, &a.identity).cmp(&(b.at, b.kind.name, &b.identity))
}

fn known_by(life: &Life) -> Option<&str> {
    host(life)?;
    KNOWN_BY.iter().find_map(|name| match life.attributes.get(name) {
        Some(AttributeValue::Text(text)) => Some(text.as_str()),
        _ => None,
    })
}

fn host(life: &Life) -> Option<&str> {
    life.kind.key_index("host").map(|index| life.identity.part(index))
}

/// The values of a field, where there are enough of them.
fn values(series: &Series, field: usize) -> Option<Vec<f64>> {
    let values = series.values.get(field)?.iter();
    let values: Vec<f64> = values.filter_map(|value| value.as_f64()).filter(|value| value.is_finite()).collect();
    (values.len() >= VALUES_MIN).then_some(values)
}

/// The part of the window that is known: each bucket's, by its length.
fn coverage(series: &Series, edges: &[Timestamp]) -> f64 {
    let parts = series.coverage.as_deref().unwrap_or_default();
    let lengths = edges.iter().zip(edges.iter().skip(1)).map(|(start, end)| float(end.ms_since(*start)));
    let (known, whole) = lengths
        .zip(parts.iter().copied().chain(std::iter::repeat(0.0)))
        .fold((0.0, 0.0), |(known, whole), (length, part)| (known + length * part, whole + length));
    if whole > 0.0 { known / whole } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "lengths and counts lie far below 2^53")]
fn float(whole: i64) -> f64 {
    whole as f64
}

fn count(values: &[f64]) -> f64 {
    float(i64::try_from(values.len()).unwrap_or(i64::MAX))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

/// Σ of the squared distances from the mean.
fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// (mean after − mean before) / max(pooled standard deviation, 5 % of the larger mean, noise floor).
fn score(before: &[f64], after: &[f64], noise_floor: f64) -> f64 {
    let (mean_before, mean_after) = (mean(before), mean(after));
    let freedom = count(before) + count(after) - 2.0;
    let deviation = ((spread(before) + spread(after)) / freedom).sqrt();
    let steady = STEADY_PART * mean_before.abs().max(mean_after.abs());
    (mean_after - mean_before) / deviation.max(steady).max(noise_floor)
}

/// What a column moves by without anybody's doing, by its unit.
fn noise_floor(unit: &str) -> f64 {
    match unit {
        "cores" => 0.01,
        "bytes" => 1_048_576.0,
        "bytes_per_second" => 1_024.0,
        "percent" => 1.0,
        "ratio" => 0.01,
        "seconds" => 0.001,
        unit if unit.ends_with("_per_second") => 0.1,
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[f64], after: &[f64], floor: f64, expected: f64) {
        let score = score(before, after, floor);
        assert!((score - expected).abs() < 1e-9, "{score} is not {expected}");
    }

    #[test]
    fn a_score_is_in_deviations_that_are_never_tiny() {
        // Spreads 10 and 10 over 8 degrees of freedom: a deviation of √2.5; the means are 3 and 13.
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], &[11.0, 12.0, 13.0, 14.0, 15.0], 0.0, 10.0 / 2.5f64.sqrt());
        // No deviation at all: 5 % of 200 is 10, and 100 are ten of them.
        check(&[100.0; 5], &[200.0; 5], 0.0, 10.0);
        check(&[200.0; 5], &[100.0; 5], 0.0, -10.0);
        // 0.001 cores to 0.002: a twentieth of the noise floor of 0.02.
        check(&[0.001; 5], &[0.002; 5], 0.02, 0.05);
        check(&[0.0; 5], &[0.0; 5], 0.5, 0.0);
    }
}
