//! Pieces give back what went in, to the bit; damaged ones say so; version 1 is known by its bytes.

use proptest::prelude::*;

use super::*;

const LAYOUT: &str = "i work\nf heat\ni load\n";

fn layout() -> Layout {
    Layout::parse(LAYOUT).unwrap()
}

/// A sample with values of its own.
type Sample = (i64, i64, Option<i64>, Vec<Value>);

fn rows(samples: &[Sample]) -> Vec<Row<'_>> {
    samples
        .iter()
        .map(|(entity, at_ms, since_ms, values)| Row { entity: *entity, at_ms: *at_ms, since_ms: *since_ms, values })
        .collect()
}

fn assert_is(opened: &Opened<'_>, samples: &[Sample]) {
    assert_eq!(opened.len(), samples.len());
    for (position, (entity, at_ms, since_ms, values)) in samples.iter().enumerate() {
        assert_eq!((opened.entity(position), opened.at_ms(position)), (Ok(*entity), Ok(*at_ms)));
        assert_eq!(opened.since_ms(position), *since_ms);
        for column in [0, 2] {
            let expected = values.get(column).and_then(|value| value.int());
            assert_eq!(opened.int(column, position), expected, "column {column} of {entity}");
        }
        let heat = opened.float(1, position).map(f64::to_bits);
        assert_eq!(heat, values.get(1).copied().and_then(bits).map(i64::cast_unsigned), "heat of {entity}");
    }
}

fn round_trip(samples: &[Sample]) -> usize {
    let layout = layout();
    let piece = encode(&layout, &rows(samples)).unwrap();
    assert_is(&open(&layout, &piece).unwrap(), samples);
    for (place, (entity, ..)) in samples.iter().enumerate() {
        let rest = after(&layout, &piece, *entity).unwrap();
        assert_eq!(rest.is_none(), place + 1 == samples.len());
        if let Some((entity_min, count, rest)) = rest {
            assert_eq!((entity_min, count), (samples[place + 1].0, i64::try_from(samples.len() - place - 1).unwrap()));
            assert_is(&open(&layout, &rest).unwrap(), &samples[place + 1..]);
        }
    }
    piece.len()
}

#[test]
fn numbers_at_the_edges_read_back() {
    let all = [i64::MIN, i64::MAX, 0, -1, 1, i64::MIN + 1, i64::MAX - 1, 255, 256, 1 << 40];
    let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, 1.5, 0.1, f64::MAX, 0.0];
    let sample = |(index, (int, float)): (usize, (&i64, &f64))| {
        let entity = i64::try_from(index).unwrap();
        let load = if index % 3 == 0 { Value::Null } else { Value::Int(*int) };
        (entity, *int, (index % 2 == 0).then_some(*int), vec![Value::Int(*int), Value::Float(*float), load])
    };
    let samples: Vec<Sample> = all.iter().zip(&odd).enumerate().map(sample).collect();
    round_trip(&samples);
    samples.iter().for_each(|sample| _ = round_trip(std::slice::from_ref(sample)));
    // What its column cannot hold is null; a whole number in a column of floats is a float.
    round_trip(&[(1, 2, None, vec![Value::Float(1.0), Value::Int(7), Value::Null])]);
    // Columns that a sample has not are null.
    round_trip(&[(1, 2, None, vec![])]);
}

#[test]
fn equal_numbers_take_no_room() {
    let samples: Vec<Sample> = (0..32)
        .map(|entity| (entity, 1_700_000_000_000, Some(7), vec![Value::Int(5), Value::Null, Value::Int(-1)]))
        .collect();
    // 4 at the beginning, 9 a series that is there, 1 for the one that is not, 32 entities, 4 at the end.
    assert_eq!(round_trip(&samples), 4 + 5 * 9 + 1 + 32 + 4);
}

/// Bytes of version 1, written down by hand from the description: files hold such pieces.
#[test]
fn version_1_is_read_for_ever() {
    let layout = layout();
    let mut piece = vec![1, 2, 6, 0];
    // Entities 7 and 9.
    piece.extend([1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    // Times -1 and 511: two bytes each.
    piece.extend([2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2]);
    // Since: only the second has one, 4.
    piece.extend([0x10, 4, 0, 0, 0, 0, 0, 0, 0, 0b10]);
    // Work: 3 and null.
    piece.extend([0x10, 3, 0, 0, 0, 0, 0, 0, 0, 0b01]);
    // Heat: 1.5 twice.
    piece.push(0);
    piece.extend(1.5_f64.to_le_bytes());
    // Load: not reported.
    piece.push(0x20);
    let checksum = layout.checksum(&piece);
    piece.extend(checksum.to_le_bytes());
    let samples: Vec<Sample> = vec![
        (7, -1, None, vec![Value::Int(3), Value::Float(1.5), Value::Null]),
        (9, 511, Some(4), vec![Value::Null, Value::Float(1.5), Value::Null]),
    ];
    assert_is(&open(&layout, &piece).unwrap(), &samples);
    assert_eq!(encode(&layout, &rows(&samples)).unwrap(), piece);
}

#[test]
fn what_is_no_piece_is_refused_with_a_reason() {
    let layout = layout();
    let reason = |piece: &[u8]| open(&layout, piece).map(|_| ()).unwrap_err().0;
    assert_eq!(reason(&[]), "a piece of 0 bytes");
    let samples: Vec<Sample> = vec![(1, 2, None, vec![])];
    let mut piece = encode(&layout, &rows(&samples)).unwrap();
    piece[5] ^= 1;
    assert_eq!(reason(&piece), "its checksum is wrong");
    let summed = |body: &[u8]| [body, &layout.checksum(body).to_le_bytes()].concat();
    assert!(reason(&summed(&[2, 1, 6, 0])).starts_with("format version 2"));
    assert_eq!(reason(&summed(&[1, 65, 6, 0])), "it claims 65 samples");
    assert_eq!(reason(&summed(&[1, 1, 5, 0])), "5 series for a layout of 3 columns");
    assert_eq!(reason(&summed(&[1, 1, 6, 0, 9])), "a series of form 9");
    let twice: Vec<Sample> = vec![(1, 2, None, vec![]), (1, 3, None, vec![])];
    assert!(encode(&layout, &rows(&twice)).is_err());
    assert!(encode(&layout, &[]).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Null),
        3 => (0..300_i64).prop_map(Value::Int),
        2 => any::<i64>().prop_map(Value::Int),
        2 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
    ]
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let number = || prop_oneof![0..100_000_i64, any::<i64>()];
    let sample = (number(), proptest::option::of(number()), proptest::collection::vec(value(), 0..4));
    let entity = prop_oneof![0..1_000_i64, any::<i64>()];
    proptest::collection::btree_map(entity, sample, 1..=SAMPLES_MAX).prop_map(|samples| {
        samples.into_iter().map(|(entity, (at_ms, since_ms, values))| (entity, at_ms, since_ms, values)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_samples_read_back(samples in samples()) {
        let layout = layout();
        let piece = encode(&layout, &rows(&samples)).unwrap();
        assert_is(&open(&layout, &piece).unwrap(), &samples);
        let last = samples[samples.len() / 2].0;
        if let Some((_, _, rest)) = after(&layout, &piece, last).unwrap() {
            assert_is(&open(&layout, &rest).unwrap(), &samples[samples.len() / 2 + 1..]);
        }
    }

    #[test]
    fn garbled_pieces_are_errors_at_worst(
        samples in samples(),
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let layout = layout();
        let piece = encode(&layout, &rows(&samples)).unwrap();
        prop_assert!(open(&layout, &piece[..cut.index(piece.len())]).is_err());
        let mut body = piece[..piece.len() - CHECKSUM_BYTES].to_vec();
        for (place, with) in &flips {
            *place.get_mut(&mut body) ^= with;
        }
        body.truncate(body.len().max(cut.index(2 * body.len())));
        body.extend(layout.checksum(&body).to_le_bytes());
        if let Ok(opened) = open(&layout, &body) {
            for position in 0..opened.len() {
                let _ = (opened.entity(position), opened.at_ms(position), opened.float(1, position));
            }
        }
        let _ = after(&layout, &body, 5);
    }
}
