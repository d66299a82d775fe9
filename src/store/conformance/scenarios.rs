//! One promise a scenario, run over every backend.

use super::*;

#[test]
fn a_run_has_the_samples_of_the_range_and_its_neighbours_however_far() {
    over_all(|bench| {
        for (started, at) in [(1_000, 1_200), (11_000, 11_200), (21_000, 21_200), (9_021_000, 9_021_200)] {
            let appended =
                bench.store.append(&[snapshot("a", started, vec![seen("1", Some(sample(at, at)))])]).unwrap();
            assert_eq!((appended.samples, appended.duplicate_samples), (1, 0));
        }
        let check = |from: i64, to: i64, expected: &[i64], has_before: bool, has_after: bool| {
            let run = read(&bench.store, "1", range(from, to));
            assert_eq!((times(&run), run.has_before, run.has_after), (expected.to_vec(), has_before, has_after));
            assert_eq!(run.columns[0], ColumnValues::Int(expected.iter().map(|at| Some(*at)).collect()));
            assert_eq!(run.columns[1], ColumnValues::Float(vec![Some(0.5); expected.len()]));
            assert_eq!(run.columns[2], ColumnValues::Int(vec![None; expected.len()]));
            assert_eq!(run.interval_ms, vec![10_000; expected.len()]);
        };
        check(11_200, 21_200, &[1_200, 11_200, 21_200], true, true);
        check(11_201, 21_201, &[11_200, 21_200, 9_021_200], true, true);
        check(0, 1_200, &[1_200], false, true);
        check(0, 1_201, &[1_200, 11_200], false, true);
        check(5_000_000, 5_000_001, &[21_200, 9_021_200], true, true);
        check(9_021_201, 9_999_999, &[9_021_200], true, false);
        check(-50, 99_999_999, &[1_200, 11_200, 21_200, 9_021_200], false, false);
        assert!(read(&bench.store, "unknown", TimeRange::ALL).is_empty());
    });
}
