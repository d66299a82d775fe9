//! Rollups give back what they are made of, to the bit, and damage is noticed.

use proptest::prelude::*;

use super::{KIND, START_MS};
use crate::model::{ColumnValues, HOUR_MS, Hours, Repr, Run, TimeRange, Timestamp, Version};
use crate::rollup::{Roller, fields_count};
use crate::store::sqlite::rollup::format::{self, Layout};

fn number() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        5 => (0..1_000_000_i64).prop_map(Some),
        2 => Just(Some(7)),
        1 => Just(None),
        1 => Just(Some(i64::MAX)),
        1 => Just(Some(i64::MIN)),
        1 => any::<i64>().prop_map(Some),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let sample = (1..2 * HOUR_MS, proptest::collection::vec(number(), KIND.columns.len()), any::<f64>(), any::<bool>());
    proptest::collection::vec(sample, 0..60).prop_map(|samples| {
        let mut at = START_MS;
        let times: Vec<Timestamp> = samples
            .iter()
            .map(|(passed_ms, ..)| {
                at += passed_ms;
                Timestamp::from_ms(at)
            })
            .collect();
        let columns = KIND.columns.iter().enumerate().map(|(index, column)| match column.repr {
            Repr::Integer { .. } => ColumnValues::Int(samples.iter().map(|sample| sample.1[index]).collect()),
            Repr::Float => {
                ColumnValues::Float(samples.iter().map(|sample| sample.1[index].map(|_| sample.2)).collect())
            }
        });
        Run {
            range: TimeRange::new(Timestamp::from_ms(START_MS), Timestamp::from_ms(at + 1)).unwrap(),
            has_before: false,
            has_after: false,
            since: samples.iter().map(|sample| sample.3.then(|| Timestamp::from_ms(START_MS))).collect(),
            interval_ms: vec![HOUR_MS; times.len()],
            clock_offset_ms: vec![0; times.len()],
            columns: columns.collect(),
            at: times,
            polled_before_first: None,
        }
    })
}

fn rolled(run: &Run, cut: i64) -> Hours {
    let all: Vec<usize> = (0..fields_count(&KIND)).collect();
    let roller = Roller::new(&KIND, &all, true);
    let from = [START_MS, START_MS + cut].map(Timestamp::from_ms);
    let versions: Vec<Version> =
        from.iter().map(|from| Version { from: *from, attributes: Default::default() }).collect();
    // The roller's columns stand in an order of its own.
    let columns = roller.columns().iter().map(|index| run.columns[*index].clone()).collect();
    roller.roll(&Run { columns, ..run.clone() }, &versions)
}

/// Hours as text: NaNs are alike there, and floats are told apart to the bit.
fn text(hours: &Hours) -> String {
    format!("{hours:?}")
}

proptest! {
    #[test]
    fn hours_read_back_as_they_were_kept(run in run(), cut in 0..100 * HOUR_MS) {
        let mut hours = rolled(&run, cut);
        hours.after.clear();
        let layout = Layout::of(&KIND);
        let body = format::encode(&KIND, &hours).unwrap();
        prop_assert_eq!(&Layout::parse(layout.text()), &layout);
        let opened = format::open(&layout, &body).unwrap();
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        prop_assert_eq!(text(&opened.hours(&KIND, &all, true).unwrap()), text(&hours));
        for field in all {
            let one = opened.hours(&KIND, &[field], true).unwrap();
            prop_assert_eq!(format!("{:?}", one.cells), format!("{:?}", [&hours.cells[field]]));
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(run in run(), place in any::<proptest::sample::Index>(), bit in 0..8) {
        let hours = rolled(&run, 0);
        let layout = Layout::of(&KIND);
        let mut body = format::encode(&KIND, &hours).unwrap();
        *place.get_mut(&mut body) ^= 1_u8 << bit;
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        let read = format::open(&layout, &body).and_then(|opened| opened.hours(&KIND, &all, true));
        prop_assert!(read.is_err());
    }

    #[test]
    fn shares_over_hours_add_up_to_the_increase(run in run(), cut in 0..100 * HOUR_MS) {
        let hours = rolled(&run, cut);
        let whole = rolled_whole(&run);
        for (field, expected) in whole.into_iter().enumerate() {
            let sum: i128 = hours.cells[field].iter().map(|cell| int(cell.sum) + int(cell.holes)).sum();
            prop_assert_eq!(sum, expected);
        }
    }
}

fn int(total: crate::model::Total) -> i128 {
    match total {
        crate::model::Total::Int(sum) => sum,
        _ => 0,
    }
}

/// The increases of the counters of whole numbers over all of a run, by the rules alone.
fn rolled_whole(run: &Run) -> Vec<i128> {
    let counters = KIND.columns.iter().take(2).enumerate();
    counters
        .map(|(index, _)| {
            let ColumnValues::Int(values) = &run.columns[index] else { return 0 };
            let marks = (0..run.len()).map(|at| crate::query::evaluate::mark(run, at).unwrap());
            let marks: Vec<_> = marks.collect();
            let pairs = marks.windows(2).enumerate();
            pairs
                .filter_map(|(at, pair)| {
                    let stretch = crate::rate::stretch(Some(&pair[0]), &pair[1], None)?;
                    crate::rate::increase(stretch.life, values[at], values[at + 1]).map(i128::from)
                })
                .sum()
        })
        .collect()
}
