//! `/reports`: the list, an answer in each form, what is told of questions that cannot be answered.

use super::world::both;

/// The range in which the world was recorded.
const WHOLE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:20:01Z";

#[test]
fn reports_are_listed_with_parameters_and_columns() {
    both(|served| {
        let list = served.json("reports");
        let reports = list["reports"].as_array().unwrap();
        assert!(reports.len() >= 12);
        for report in reports {
            assert!(report["fault"].is_null() && report["own"] == false, "{report}");
            assert!(report["title"].as_str().is_some_and(|title| !title.is_empty()), "{report}");
            assert!(report["columns"].as_array().is_some_and(|columns| !columns.is_empty()), "{report}");
            // Each can be asked as it stands.
            let name = report["name"].as_str().unwrap();
            let answer = served.json(&format!("reports/{name}"));
            assert_eq!((&answer["report"], &answer["columns"]), (&report["name"], &report["columns"]));
        }
        let table = served.table("reports");
        assert_eq!(table.header, ["name", "own", "title", "about", "parameters", "columns", "fault"]);
        assert_eq!(table.rows.len(), reports.len());
    });
}

#[test]
fn a_report_is_the_same_in_each_form() {
    both(|served| {
        let path = format!("reports/top_containers?{WHOLE}&by=cpu_cores&count=3");
        let answer = served.json(&path);
        assert_eq!(answer["title"], "Top containers by any column");
        assert_eq!(answer["parameters"]["start"], "2026-08-21T03:00:00Z");
        assert_eq!((&answer["parameters"]["count"], &answer["parameters"]["app"]), (&"3".into(), &"*".into()));
        let rows = answer["rows"].as_array().unwrap();
        let of = |index: usize| (rows[index]["id"].as_str().unwrap(), rows[index]["mean"].as_f64().unwrap());
        // One core each, half of one.
        assert_eq!(rows.len(), 3);
        assert_eq!((of(0), of(1), of(2)), (("b1", 1.0), ("r1", 1.0), ("d1", 0.5)));
        let table = served.table(&path);
        let names: Vec<&str> =
            answer["columns"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(table.header, names);
        for (row, object) in table.rows.iter().zip(rows) {
            for (field, name) in row.iter().zip(&names) {
                let value = &object[*name];
                let expected = value
                    .as_str()
                    .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned);
                assert!(
                    *field == expected || field.parse::<f64>().ok() == value.as_f64(),
                    "{name}: {field:?} is not {value}"
                );
            }
        }
        let lines = served.get(&path.replace("top_containers?", "top_containers.jsonl?"));
        assert_eq!(lines.text().lines().count(), 3);
    });
}

#[test]
fn questions_that_cannot_be_answered_say_why() {
    both(|served| {
        let problem = served.problem("reports/top_contaners");
        assert_eq!((&problem["status"], &problem["nearest"]), (&404.into(), &"top_containers".into()));
        let problem = served.problem("reports/top_containers?strt=-1h");
        assert_eq!((&problem["status"], &problem["parameter"]), (&400.into(), &"strt".into()));
        assert!(problem["detail"].as_str().unwrap().contains("did you mean `start`?"), "{problem}");
        assert_eq!(served.problem("reports/top_containers?by=name")["parameter"], "by");
        assert_eq!(served.problem("reports?x=1")["status"], 400);
        assert_eq!(served.problem("reports/a/b")["status"], 404);
        assert_eq!(served.problem("report")["nearest"], "/api/v1/reports");
    });
}
