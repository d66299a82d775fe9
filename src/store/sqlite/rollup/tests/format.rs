//! Rollups give back what they are made of, to the bit, and damage is noticed.

use proptest::prelude::*;

use super::{KIND, START_MS};
use crate::model::{
    Class, ColumnValues, HOUR_MS, HourCell, HourRow, Hours, Pick, Presence, Repr, Run, TimeRange, Timestamp, Total,
    Value, Version, Wanted,
};
use crate::rollup::{Roller, days, fields_count};
use crate::store::conformance::fleet::Dice;
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
        prop_assert_eq!(&Layout::parse(&KIND, layout.text()), &layout);
        let opened = format::open(&layout, body.as_slice()).unwrap();
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        prop_assert_eq!(text(&opened.hours(&KIND, &all, Wanted::ALL).unwrap()), text(&hours));
        for field in all {
            let one = opened.hours(&KIND, &[field], Wanted::ALL).unwrap();
            prop_assert_eq!(format!("{:?}", one.cells), format!("{:?}", [&hours.cells[field]]));
        }
    }

    #[test]
    fn days_are_the_sums_of_their_hours(run in run(), cut in 0..100 * HOUR_MS) {
        let hours = rolled(&run, cut);
        let layout = Layout::of(&KIND);
        let body = format::encode(&KIND, &hours).unwrap();
        let opened = format::open(&layout, body.as_slice()).unwrap();
        prop_assert!(opened.are_days_of(&KIND, &hours).unwrap());
        for field in 0..fields_count(&KIND) {
            let Some(days) = opened.days(&[field]).unwrap() else { continue };
            prop_assert_eq!(&days.stays, &hours.stays);
            let total = |cells: &[HourCell], of: fn(&HourCell) -> i128| cells.iter().map(of).sum::<i128>();
            let (of_days, of_hours) = (&days.cells[0], &hours.cells[field]);
            prop_assert_eq!(total(of_days, |cell| int(cell.sum)), total(of_hours, |cell| int(cell.sum)));
            prop_assert_eq!(total(of_days, |cell| int(cell.holes)), total(of_hours, |cell| int(cell.holes)));
            prop_assert_eq!(total(of_days, |cell| cell.count.into()), total(of_hours, |cell| cell.count.into()));
        }
        let samples = |rows: &[HourRow]| rows.iter().map(|row| row.samples).sum::<i64>();
        let days = opened.days(&[]).unwrap().unwrap();
        prop_assert_eq!(samples(&days.rows), samples(&hours.rows));
    }

    #[test]
    fn what_is_not_wanted_changes_nothing_else(run in run(), cut in 0..100 * HOUR_MS) {
        let hours = rolled(&run, cut);
        let layout = Layout::of(&KIND);
        let body = format::encode(&KIND, &hours).unwrap();
        let opened = format::open(&layout, body.as_slice()).unwrap();
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        let sums = opened.hours(&KIND, &all, Wanted::SUMS).unwrap();
        let others = opened.hours(&KIND, &all, Wanted::NO_BINS).unwrap();
        for (field, cells) in hours.cells.iter().enumerate() {
            for ((cell, sums), others) in cells.iter().zip(&sums.cells[field]).zip(&others.cells[field]) {
                let expected = HourCell { bins: Vec::new(), ..cell.clone() };
                prop_assert_eq!(format!("{others:?}"), format!("{expected:?}"));
                let told = |cell: &HourCell| {
                    format!("{:?}", (cell.count, cell.sum, cell.holes, cell.covered_ms, cell.below, cell.ratios))
                };
                prop_assert_eq!(told(sums), told(cell));
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(run in run(), place in any::<proptest::sample::Index>(), bit in 0..8) {
        let hours = rolled(&run, 0);
        let layout = Layout::of(&KIND);
        let mut body = format::encode(&KIND, &hours).unwrap();
        *place.get_mut(&mut body) ^= 1_u8 << bit;
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        let read = format::open(&layout, body.as_slice()).and_then(|opened| {
            opened.hours(&KIND, &all, Wanted::ALL)?;
            all.iter().try_for_each(|field| opened.days(&[*field]).map(|_| ()))
        });
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

/// Hours of a run that is always the same: of steady, of wild and of missing numbers, with a hole and a restart.
fn golden(seed: u64) -> Hours {
    let mut dice = Dice::new(seed);
    let mut at = START_MS;
    let count = usize::try_from(dice.below(90)).unwrap() + usize::from(seed > 0);
    let times: Vec<Timestamp> = (0..count)
        .map(|index| {
            at += if index == 40 { 9 * HOUR_MS } else { 600_000 + dice.below(1_000) };
            Timestamp::from_ms(at)
        })
        .collect();
    let number = |dice: &mut Dice, index: usize, grows: bool| match (seed % 3, dice.below(12)) {
        (1, 0) => None,
        (2, 0) => Some(i64::MAX),
        (2, 1) => Some(i64::MIN),
        _ if grows => Some(i64::try_from(index).unwrap() * 1_000_000_007 + dice.below(1_000)),
        _ => Some(dice.below(4_000_000_000)),
    };
    let columns = KIND.columns.iter().map(|column| {
        let ints = (0..count).map(|index| number(&mut dice, index, column.class == Class::Counter));
        match column.repr {
            Repr::Integer { .. } => ColumnValues::Int(ints.collect()),
            Repr::Float => ColumnValues::Float(ints.map(|value| value.map(|value| value as f64 / 1024.0)).collect()),
        }
    });
    let columns = columns.collect();
    let run = Run {
        range: TimeRange::new(Timestamp::from_ms(START_MS), Timestamp::from_ms(at + 1)).unwrap(),
        has_before: false,
        has_after: false,
        since: (0..count)
            .map(|index| Some(Timestamp::from_ms(START_MS + if index > 60 { 13 * HOUR_MS } else { 0 })))
            .collect(),
        interval_ms: vec![600_000; count],
        clock_offset_ms: vec![0; count],
        columns,
        at: times,
        polled_before_first: Some(Timestamp::from_ms(START_MS - 600_000)),
    };
    let mut hours = rolled(&run, 3 * HOUR_MS + 60_000);
    hours.after.clear();
    hours
}

/// Hours as lines, floats by their bits.
fn lines_of(hours: &Hours) -> String {
    let value = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{:016x}", value.to_bits()),
    };
    let total = |total: Total| match total {
        Total::Nothing => "-".to_owned(),
        Total::Int(sum) => sum.to_string(),
        Total::Float(sum) => format!("{:016x}", sum.to_bits()),
    };
    let pick = |pick: Pick| format!("{}/{}", value(pick.above), value(pick.below));
    let mut text = String::new();
    for row in &hours.rows {
        text += &format!("row {} {} {} {}\n", row.start.ms(), row.version.ms(), row.samples, row.covered_ms);
    }
    for stay in &hours.stays {
        let presence = match stay.presence {
            Presence::Seen => "seen",
            Presence::Unseen => "unseen",
            Presence::Gone => "gone",
        };
        text += &format!("stay {} {} {} {presence}\n", stay.from.ms(), stay.to.ms(), stay.version.ms());
    }
    for (field, cells) in hours.cells.iter().enumerate() {
        for cell in cells {
            text += &format!("field {field} {} {}", cell.count, total(cell.sum));
            text += &format!(" {} {} {}", total(cell.holes), cell.covered_ms, total(cell.below));
            text +=
                &format!(" {:016x} {} {} {}", cell.ratios.to_bits(), pick(cell.min), pick(cell.max), pick(cell.last));
            let bins: Vec<String> = cell.bins.iter().map(|(bin, count)| format!("{bin}:{count}")).collect();
            text += &format!(" [{}]\n", bins.join(" "));
        }
    }
    text
}

/// With `UPDATE=1` files of the newest version that are missing are written. One that landed never is again: files like it
/// are in the field.
fn check_golden(version: u8) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rollups");
    for seed in 0..7 {
        let file = |ending: &str| directory.join(format!("v{version}-{seed}.{ending}"));
        if version == 2 && std::env::var_os("UPDATE").is_some() && !file("rollup").exists() {
            let hours = golden(seed);
            std::fs::write(file("rollup"), format::encode(&KIND, &hours).unwrap()).unwrap();
            std::fs::write(file("layout"), Layout::of(&KIND).text()).unwrap();
            std::fs::write(file("txt"), lines_of(&hours) + &lines_of_days(&hours)).unwrap();
        }
        let layout = Layout::parse(&KIND, &std::fs::read_to_string(file("layout")).unwrap());
        let body = std::fs::read(file("rollup")).unwrap();
        let all: Vec<usize> = (0..fields_count(&KIND)).collect();
        let opened = format::open(&layout, body.as_slice()).unwrap();
        let hours = opened.hours(&KIND, &all, Wanted::ALL).unwrap();
        let mut lines = lines_of(&hours);
        for field in all {
            match opened.days(&[field]).unwrap() {
                Some(days) => lines += &lines_of_some_days(field, &days.rows, &days.cells[0]),
                None => assert!(version == 1 || days::of(&KIND, &hours).cells[field].is_none(), "field {field}"),
            }
        }
        let expected = std::fs::read_to_string(file("txt")).unwrap();
        assert!(lines == expected, "{}: other hours than were written", file("rollup").display());
    }
}

fn lines_of_days(hours: &Hours) -> String {
    let days = days::of(&KIND, hours);
    let fields = days.cells.iter().enumerate();
    fields.filter_map(|(field, cells)| Some(lines_of_some_days(field, &days.rows, cells.as_ref()?))).collect()
}

fn lines_of_some_days(field: usize, rows: &[HourRow], cells: &[HourCell]) -> String {
    let hours = Hours { rows: rows.to_vec(), cells: vec![cells.to_vec()], ..Hours::default() };
    lines_of(&hours).lines().map(|line| format!("days of {field}: {line}\n")).collect()
}

#[test]
fn rollups_of_version_1_are_read_for_ever() {
    check_golden(1);
}

#[test]
fn rollups_of_version_2_are_read_for_ever() {
    check_golden(2);
}

/// A derived column whose formula is another now has nothing in rollups of the old one.
#[test]
fn hours_of_another_formula_are_not_taken_for_ones_own() {
    let layout = Layout::of(&KIND).text().replace("cpu_cores = rate cpu_ns", "cpu_cores = rate wait_ns");
    let mut body = format::encode(&KIND, &golden(1)).unwrap();
    // As that program would have kept it: its checksum is over its own layout.
    let field = crate::rollup::field_named(&KIND, "cpu_cores").unwrap();
    let layout = Layout::parse(&KIND, &layout);
    format::sign_for_tests(&layout, &mut body);
    let hours = format::open(&layout, body.as_slice())
        .and_then(|opened| opened.hours(&KIND, &[field, 0], Wanted::ALL))
        .unwrap();
    assert!(hours.cells[0].iter().all(|cell| *cell == HourCell::default()));
    assert!(hours.cells[1].iter().any(|cell| !cell.sum.is_nothing()));
}

fn int(total: Total) -> i128 {
    match total {
        Total::Int(sum) => sum,
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
