//! Blocks give back what went in, to the bit; damaged ones say so; version 1 is read for ever (`tests/fixtures/blocks`).

use proptest::prelude::*;

use super::*;
use crate::model::{Column, Timestamp};
use crate::store::conformance::fleet::{FLEET, Fleet};

/// Two whole columns and a float; what a later version would add, and what it would not know.
static WIDE: Kind = kind(&[WORK, HEAT, LOAD]);
static NARROW: Kind = kind(&[LOAD]);
static LATER: Kind = kind(&[HEAT, NEW, LOAD]);
static CHANGED: Kind = kind(&[Column { repr: Repr::Float, ..WORK }]);

const WORK: Column = Column::counter("work_seconds_total", "work_ns", "seconds", 9, "Counter.");
const LOAD: Column = Column::gauge("load_bytes", "load_bytes", "bytes", 0, "Gauge.");
const NEW: Column = Column::gauge("new", "new", "", 0, "Gauge of a later version.");
const HEAT: Column = Column { repr: Repr::Float, ..Column::gauge("heat", "heat", "", 0, "Float.") };

const fn kind(columns: &'static [Column]) -> Kind {
    Kind { name: "test", help: "", identity: &[], attributes: &[], columns, derived: &[], display: &[] }
}

fn samples(count: usize, work: Vec<Option<i64>>, heat: Vec<Option<f64>>, load: Vec<Option<i64>>) -> Samples {
    let ms = |index: usize| i64::try_from(index).unwrap() * 30_000;
    Samples {
        at: (0..count).map(|index| 1_700_000_000_000 + ms(index)).collect(),
        since: vec![Some(1_600_000_000_000); count],
        interval_ms: vec![30_000; count],
        clock_offset_ms: vec![0; count],
        poll: (0..count).map(|index| ms(index) / 1000 + 7).collect(),
        columns: vec![ColumnValues::Int(work), ColumnValues::Float(heat), ColumnValues::Int(load)],
    }
}

fn decode(layout: &Layout, block: &[u8], kind: &Kind) -> Result<Samples, Damage> {
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    open(layout, block)?.samples(kind, &columns)
}

fn round_trip(samples: &Samples) -> usize {
    let layout = Layout::of(&WIDE);
    let block = encode(&layout, samples).unwrap();
    let back = decode(&layout, &block, &WIDE).unwrap();
    assert!(back.is_same(samples), "{back:?} is not {samples:?}");
    check_holds(&open(&layout, &block).unwrap(), samples);
    let mut twice = samples.part(0..1);
    open(&layout, &block).unwrap().add_all(&layout.places(&WIDE, &[0, 1, 2]), &mut twice).unwrap();
    assert!(twice.part(1..twice.len()).is_same(samples));
    let times = open(&layout, &block).unwrap().times().unwrap();
    assert_eq!((times.at, times.poll), (samples.at.clone(), samples.poll.clone()));
    for positions in [0..1, samples.len() - 1..samples.len(), samples.len() / 3..samples.len() * 2 / 3] {
        check_part(&layout, &block, samples, positions);
    }
    block.len()
}

/// A block holds its samples, and none that differ in one number.
fn check_holds(opened: &Opened<'_>, samples: &Samples) {
    assert!(opened.holds(samples).unwrap());
    let last = samples.len() - 1;
    let changes: [fn(&mut Samples, usize); 8] = [
        |samples, at| samples.at[at] ^= 1,
        |samples, at| samples.since[at] = samples.since[at].map_or(Some(0), |_| None),
        |samples, at| samples.interval_ms[at] ^= 1,
        |samples, at| samples.clock_offset_ms[at] ^= 1,
        |samples, at| samples.poll[at] ^= 1,
        |samples, at| change(&mut samples.columns[0], at),
        |samples, at| change(&mut samples.columns[1], at),
        |samples, at| change(&mut samples.columns[2], at),
    ];
    for at in [0, last] {
        for change in changes {
            let mut other = samples.clone();
            change(&mut other, at);
            assert!(!opened.holds(&other).unwrap(), "{other:?}");
        }
    }
    assert!(!opened.holds(&samples.part(0..last)).unwrap());
}

fn change(column: &mut ColumnValues, at: usize) {
    match column {
        ColumnValues::Int(values) => values[at] = values[at].map_or(Some(0), |value| Some(value ^ 1)),
        ColumnValues::Float(values) => {
            values[at] = values[at].map_or(Some(0.0), |value| Some(f64::from_bits(value.to_bits() ^ 1)));
        }
    }
}

/// A part of a block, after what is there already, is that part of its samples.
fn check_part(layout: &Layout, block: &[u8], samples: &Samples, positions: Range<usize>) {
    let opened = open(layout, block).unwrap();
    let mut expected = samples.part(0..1);
    expected.append(&mut samples.part(positions.clone()));
    expected.poll.clear();
    let mut part = samples.part(0..1);
    part.poll.clear();
    let at = opened.at().unwrap();
    opened.add(&layout.places(&WIDE, &[0, 1, 2]), &at, &positions, &mut part).unwrap();
    assert!(part.is_same(&expected), "{positions:?}: {part:?} is not {expected:?}");
    assert_eq!(opened.poll(positions.start).unwrap(), samples.poll.get(positions.start).copied());
}

fn check_ints(values: &[Option<i64>]) {
    round_trip(&samples(values.len(), values.to_vec(), vec![None; values.len()], vec![Some(1); values.len()]));
}

#[test]
fn numbers_at_the_edges_read_back() {
    let extremes = [i64::MIN, i64::MAX, 0, -1, 1, i64::MIN, i64::MIN + 1, i64::MAX - 1];
    check_ints(&[Some(i64::MIN)]);
    check_ints(&[None]);
    check_ints(&[None, None, Some(5), None]);
    check_ints(&[Some(5), None]);
    check_ints(&extremes.map(Some));
    check_ints(&extremes.repeat(40).into_iter().map(Some).collect::<Vec<_>>());
    // A difference of i64::MIN only: its divisor fits no i64.
    check_ints(&[Some(0), Some(i64::MIN), Some(0), Some(i64::MIN), Some(i64::MIN)].repeat(20));
    // A counter that is reset, and one that falls.
    check_ints(&(0..300).map(|step| Some((step % 100) * 4096)).collect::<Vec<_>>());
    check_ints(&(0..300).map(|step| Some(-step * step * 1_000_003)).collect::<Vec<_>>());
}

#[test]
fn floats_keep_their_bits() {
    let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
    let odd = [f64::NAN, -f64::NAN, signalling, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN_POSITIVE, 5e-324];
    for count in [1, 9, 40, 400] {
        let heat: Vec<_> = odd.into_iter().cycle().take(count).map(Some).collect();
        round_trip(&samples(count, vec![None; count], heat, vec![None; count]));
        let decimals = (0..count).map(|index| Some(f64::from(u32::try_from(index * 37 % 101).unwrap()) / 100.0));
        round_trip(&samples(count, vec![None; count], decimals.collect(), vec![None; count]));
    }
}

#[test]
fn a_still_series_takes_a_few_bytes() {
    let still = samples(240, vec![Some(7); 240], vec![Some(0.5); 240], vec![None; 240]);
    assert!(round_trip(&still) < 80);
    let mut changed = still;
    changed.columns[0] = ColumnValues::Int((0..240).map(|index| Some(if index < 100 { 7 } else { 9 })).collect());
    assert!(round_trip(&changed) < 84);
}

#[test]
fn columns_are_found_by_name_and_unknown_ones_passed_over() {
    let layout = Layout::of(&WIDE);
    let stored = samples(3, vec![Some(1); 3], vec![Some(0.25); 3], vec![Some(3), None, Some(4)]);
    let block = encode(&layout, &stored).unwrap();
    let narrow = decode(&layout, &block, &NARROW).unwrap();
    assert_eq!(narrow.columns, [stored.columns[2].clone()]);
    let later = decode(&layout, &block, &LATER).unwrap();
    let nulls = ColumnValues::Int(vec![None; 3]);
    assert_eq!(later.columns, [stored.columns[1].clone(), nulls, stored.columns[2].clone()]);
    let changed = decode(&layout, &block, &CHANGED).unwrap();
    assert_eq!(changed.columns, [ColumnValues::Float(vec![None; 3])]);
    let layout = Layout::parse(layout.text()).unwrap();
    assert_eq!(open(&layout, &block).unwrap().samples(&WIDE, &[2]).unwrap().columns, [stored.columns[2].clone()]);
    assert!(Layout::parse("x what\n").is_err());
}

#[test]
fn what_is_no_block_is_refused_with_a_reason() {
    let layout = Layout::of(&WIDE);
    assert!(encode(&layout, &Samples::default()).is_err());
    let block = encode(&layout, &samples(1, vec![None], vec![None], vec![None])).unwrap();
    let reason = |layout: &Layout, block: &[u8]| decode(layout, block, &WIDE).unwrap_err().0;
    assert_eq!(reason(&layout, &[]), "a block of 0 bytes");
    assert_eq!(reason(&Layout::of(&NARROW), &block), "its checksum is wrong");
    let mut newer = block[..block.len() - CHECKSUM_BYTES].to_vec();
    newer[0] = 2;
    let sum = layout.checksum(&newer);
    newer.extend(sum.to_le_bytes());
    assert!(reason(&layout, &newer).starts_with("format version 2"), "{}", reason(&layout, &newer));
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![0..5_i64, -100_000..100_000_i64, (0..1000_i64).prop_map(|pages| pages * 4096), any::<i64>()]
}

/// Numbers as columns have them: still, rising, or all over.
fn ints(count: usize) -> impl Strategy<Value = Vec<Option<i64>>> {
    let random = proptest::collection::vec(proptest::option::weighted(0.9, number()), count);
    let still = number().prop_map(move |value| vec![Some(value); count]);
    let rising = (number(), proptest::collection::vec(0..1000_i64, count)).prop_map(|(first, steps)| {
        let rise = |last: &mut i64, step| {
            *last = last.wrapping_add(step);
            Some(Some(*last))
        };
        steps.into_iter().scan(first, rise).collect::<Vec<_>>()
    });
    let seldom = (number(), proptest::collection::vec((0..40_u8, number()), count)).prop_map(|(first, dice)| {
        let change = |last: &mut i64, (dice, value): (u8, i64)| {
            *last = if dice == 0 { value } else { *last };
            Some(Some(*last))
        };
        dice.into_iter().scan(first, change).collect::<Vec<_>>()
    });
    prop_oneof![random, still, rising, seldom]
}

fn floats(count: usize) -> impl Strategy<Value = Vec<Option<f64>>> {
    let float = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (0..1000_i32).prop_map(|cents| f64::from(cents) / 100.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
    ];
    proptest::collection::vec(proptest::option::weighted(0.9, float), count)
}

fn any_samples() -> impl Strategy<Value = Samples> {
    (1..400_usize).prop_flat_map(|count| {
        let fixed = proptest::collection::vec(ints(count), 4);
        (ints(count), floats(count), ints(count), fixed).prop_map(move |(work, heat, load, fixed)| {
            let plain = |index: usize| fixed[index].iter().map(|value| value.unwrap_or(0)).collect::<Vec<_>>();
            Samples {
                since: fixed[0].clone(),
                interval_ms: plain(1),
                clock_offset_ms: plain(2),
                poll: plain(3),
                ..samples(count, work, heat, load)
            }
        })
    })
}

/// Bytes that were written wrong and checksummed so: whatever comes out, it comes out without a panic.
fn resummed(layout: &Layout, block: &[u8]) -> Vec<u8> {
    let body = &block[..block.len().saturating_sub(CHECKSUM_BYTES)];
    let mut block = body.to_vec();
    block.extend(layout.checksum(body).to_le_bytes());
    block
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_samples_read_back(samples in any_samples()) {
        round_trip(&samples);
    }

    #[test]
    fn a_flipped_byte_is_noticed(samples in any_samples(), place in any::<prop::sample::Index>(), with in 1..=255_u8) {
        let layout = Layout::of(&WIDE);
        let mut block = encode(&layout, &samples).unwrap();
        *place.get_mut(&mut block) ^= with;
        prop_assert!(decode(&layout, &block, &WIDE).is_err());
    }

    #[test]
    fn cut_and_garbled_blocks_are_errors_at_worst(
        samples in any_samples(),
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let layout = Layout::of(&WIDE);
        let block = encode(&layout, &samples).unwrap();
        prop_assert!(decode(&layout, &block[..cut.index(block.len())], &WIDE).is_err());
        let mut garbled = block.clone();
        for (place, with) in &flips {
            *place.get_mut(&mut garbled) ^= with;
        }
        let garbled = resummed(&layout, &garbled);
        let _ = decode(&layout, &garbled, &WIDE);
        if let Ok(opened) = open(&layout, &garbled)
            && let Ok(at) = opened.at()
        {
            let _ = opened.add(&layout.places(&WIDE, &[0, 1, 2]), &at, &(0..at.len() / 2), &mut Samples::new(&WIDE, &[0, 1, 2]));
        }
        let _ = decode(&layout, &resummed(&layout, &block[..cut.index(block.len())]), &WIDE);
    }

    #[test]
    fn any_bytes_are_errors_at_worst(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let layout = Layout::of(&NARROW);
        prop_assert!(decode(&layout, &bytes, &NARROW).is_err());
        let _ = decode(&layout, &resummed(&layout, &bytes), &NARROW);
    }
}

/// A window of a few containers of the fleet, and samples of every form.
fn golden() -> Vec<(Layout, Samples)> {
    let mut all = Vec::new();
    let mut fleet = Fleet::new(&FLEET, 1, 1, 4, Timestamp::from_ms(1_700_000_000_000), 30_000);
    let columns: Vec<usize> = (0..FLEET.columns.len()).collect();
    let mut windows: Vec<Samples> = (0..4).map(|_| Samples::new(&FLEET, &columns)).collect();
    for round in 0..240 {
        for snapshot in fleet.round() {
            for (seen, window) in snapshot.batches.iter().flat_map(|batch| &batch.observations).zip(&mut windows) {
                let sample = seen.sample.as_ref().unwrap();
                window.at.push(sample.at.ms());
                window.since.push(sample.since.map(Timestamp::ms));
                window.interval_ms.push(snapshot.poll.interval_ms);
                window.clock_offset_ms.push(snapshot.poll.clock_offset_ms);
                window.poll.push(round);
                for (column, value) in window.columns.iter_mut().zip(&sample.values) {
                    if let ColumnValues::Int(values) = column {
                        values.push(value.int());
                    }
                }
            }
        }
    }
    all.extend(windows.into_iter().map(|window| (Layout::of(&FLEET), window)));
    let odd = [f64::NAN, f64::from_bits(0xfff0_0000_0000_0007), f64::INFINITY, -0.0, 0.25];
    let edges = samples(
        40,
        [Some(i64::MIN), Some(i64::MAX), None, Some(0)].repeat(10),
        odd.repeat(8).into_iter().map(Some).collect(),
        (0..40).map(|index| (index % 3 > 0).then_some(index * 4096)).collect(),
    );
    all.push((Layout::of(&WIDE), edges));
    let decimals = (0..400_i32).map(|index| Some(f64::from(index * 7919 % 1000) / 100.0)).collect();
    all.push((Layout::of(&WIDE), samples(400, vec![None; 400], decimals, vec![Some(-1); 400])));
    all
}

/// A kind that asks for all columns of a layout.
fn kind_of(layout: &Layout) -> Kind {
    let column = |(name, holds): &(String, Holds)| {
        let stored: &'static str = name.clone().leak();
        let gauge = Column::gauge(stored, stored, "", 0, "");
        if *holds == Holds::Floats { Column { repr: Repr::Float, ..gauge } } else { gauge }
    };
    kind(layout.columns().iter().map(column).collect::<Vec<_>>().leak())
}

/// Samples as text, floats by their bits.
fn text_of(layout: &Layout, samples: &Samples) -> String {
    fn line<T: fmt::Display>(name: &str, values: impl Iterator<Item = Option<T>>) -> String {
        let cells: Vec<String> = values.map(|value| value.map_or("-".to_owned(), |value| value.to_string())).collect();
        format!("{name} {}\n", cells.join(" "))
    }
    let ints = |values: &[i64]| values.iter().copied().map(Some).collect::<Vec<_>>().into_iter();
    let mut text = line("at", ints(&samples.at)) + &line("since", samples.since.iter().copied());
    text += &line("interval", ints(&samples.interval_ms));
    text += &line("offset", ints(&samples.clock_offset_ms));
    text += &line("poll", ints(&samples.poll));
    for (column, (name, _)) in samples.columns.iter().zip(layout.columns()) {
        text += &match column {
            ColumnValues::Int(values) => line(name, values.iter().copied()),
            ColumnValues::Float(values) => {
                line(name, values.iter().map(|value| value.map(|value| format!("{:016x}", value.to_bits()))))
            }
        };
    }
    text
}

/// With `UPDATE=1` files that are missing are written. One that landed never is again: files like it are in the field.
#[test]
fn blocks_of_version_1_are_read_for_ever() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        for (index, (layout, samples)) in golden().into_iter().enumerate() {
            let file = |ending: &str| directory.join(format!("v1-{index}.{ending}"));
            if !file("block").exists() {
                std::fs::write(file("block"), encode(&layout, &samples).unwrap()).unwrap();
                std::fs::write(file("layout"), layout.text()).unwrap();
                std::fs::write(file("txt"), text_of(&layout, &samples)).unwrap();
            }
        }
    }
    for index in 0..6 {
        let file = |ending: &str| directory.join(format!("v1-{index}.{ending}"));
        let layout = Layout::parse(&std::fs::read_to_string(file("layout")).unwrap()).unwrap();
        let block = std::fs::read(file("block")).unwrap();
        let samples = decode(&layout, &block, &kind_of(&layout)).unwrap();
        let expected = std::fs::read_to_string(file("txt")).unwrap();
        assert!(text_of(&layout, &samples) == expected, "{}: other samples than were written", file("block").display());
    }
}
