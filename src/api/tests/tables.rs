//! Every table in both forms: goldens, and JSON against CSV cell by cell.

use super::seed::*;

const RANGE: &str = "start=2026-08-21T03:10:00Z&end=2026-08-21T03:11:00Z";

#[tokio::test]
async fn range_as_json() {
    let response = get(&format!("/range/container?{RANGE}&step=30s&fields=cpu_cores&app=/shop/*")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/json");
    let expected = concat!(
        r#"{"kind":"container","start":"2026-08-21T03:10:00Z","end":"2026-08-21T03:11:00Z","step_seconds":30,"#,
        r#""step":"30s","tz":"UTC","resolution":"samples","filters":[{"name":"app","value":"/shop/*"}],"#,
        r#""group_by":null,"across":null,"top":null,"top_by":null,"coverage":false,"#,
        r#""fields":[{"name":"cpu_cores","agg":"avg","unit":"cores"}],"#,
        r#""times":["2026-08-21T03:10:00Z","2026-08-21T03:10:30Z"],"#,
        r#""series":[{"labels":{"host":"node-1","name":"=we\"b,\r\n</b>\\ü","id":"aa"},"#,
        r#""values":{"cpu_cores":[0.25,0.25]}}]}"#,
        "\n"
    );
    assert_eq!(text(&response), expected);
}

#[tokio::test]
async fn range_as_csv() {
    let response =
        get(&format!("/range/container.csv?{RANGE}&step=30s&fields=cpu_usage_seconds_total,load_ratio")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(
        header(&response, "content-disposition"),
        "attachment; filename=\"container_2026-08-21T031000Z_2026-08-21T031100Z.csv\""
    );
    assert_eq!(header(&response, "vary"), "accept, accept-encoding");
    assert_eq!(header(&response, "content-length"), response.body().len().to_string());
    let rows = rows(response.body());
    assert_eq!(rows[0], ["time", "host", "name", "id", "cpu_usage_seconds_total", "load_ratio"]);
    assert_eq!(rows[1][..4], ["2026-08-21T03:10:00Z", "node-1", HOSTILE, "aa"]);
    assert_eq!(rows[1][5], "0.3");
    assert_eq!(rows[2][5], "NaN");
    assert_eq!(rows[3][..4], ["2026-08-21T03:10:00Z", "node-1", "db", "bb"]);
    assert_eq!(rows[3][5], "", "not reported is an empty field, never 0");
    assert!(text(&response).ends_with("\r\n"));
    assert_eq!(text(&response).matches("\r\n").count(), rows.len() + 2, "CRLF, and one in each hostile name");
}

#[tokio::test]
async fn a_local_zone_prints_its_offset() {
    let query = format!("{RANGE}&step=all&tz=Europe/Berlin&fields=cpu_cores");
    let answer = json(&get(&format!("/range/container?{query}")).await);
    assert_eq!(answer["start"], "2026-08-21T05:10:00+02:00");
    assert_eq!(answer["times"][0], "2026-08-21T05:10:00+02:00");
    assert_eq!((&answer["step"], &answer["tz"]), (&"all".into(), &"Europe/Berlin".into()));
    assert!(answer["step_seconds"].is_null());
    let samples = json(&get(&format!("/samples/container?{RANGE}&tz=Europe/Berlin")).await);
    assert_eq!(samples["samples"][0]["time"], "2026-08-21T05:10:00.050+02:00");
    assert_eq!(samples["samples"][0]["since"], "2026-08-21T05:09:00.000+02:00");
}

#[tokio::test]
async fn range_agrees_cell_by_cell() {
    for query in [
        "step=10s&agg=avg,min,max,last,p95&fields=cpu_cores,memory_usage_bytes,load_ratio,cpu_limit_ratio&coverage=1",
        "step=7s&fields=cpu_usage_seconds_total&agg=increase,last",
        "step=1m&group_by=host",
        "step=1m&group_by=",
        "step=all&group_by=label.env,app&top=1&top_by=cpu_cores.max&across=sum",
    ] {
        let answer = get(&format!("/range/container?{RANGE}&{query}")).await;
        assert_eq!(answer.status(), 200, "{}", text(&answer));
        let answer = json(&answer);
        let table = get(&format!("/range/container.csv?{RANGE}&{query}")).await;
        assert_eq!(table.status(), 200, "{}", text(&table));
        let table = rows(table.body());
        let (times, series) = (answer["times"].as_array().unwrap(), answer["series"].as_array().unwrap());
        assert!(!series.is_empty(), "{query}");
        assert_eq!(table.len(), 1 + times.len() * series.len(), "a row a bucket and series: {query}");
        let mut table = table.into_iter();
        let header = table.next().unwrap();
        for series in series {
            for (bucket, time) in times.iter().enumerate() {
                let row = table.next().unwrap();
                for (name, field) in header.iter().zip(&row) {
                    let expected = match name.as_str() {
                        "time" => time,
                        "coverage" => &series["coverage"][bucket],
                        name => match series["labels"].get(name) {
                            Some(label) => label,
                            None => &series["values"][name][bucket],
                        },
                    };
                    assert_eq!(*field, as_field(expected), "{query}: {name} at {time}");
                }
            }
        }
    }
}

#[tokio::test]
async fn samples_as_recorded_and_derived() {
    let response = get(&format!("/samples/container.csv?{RANGE}")).await;
    assert_eq!(
        header(&response, "content-disposition"),
        "attachment; filename=\"container_samples_2026-08-21T031000Z_2026-08-21T031100Z.csv\""
    );
    let rows = rows(response.body());
    assert_eq!(
        rows[0].join(" "),
        "time host id since name app exit_code cpu_limit_cores oom_killed started_at \
         cpu_usage_seconds_total memory_usage_bytes load_ratio cpu_cores cpu_limit_ratio"
    );
    assert_eq!(rows.len(), 1 + 12, "six of the seven samples of each lie before the end");
    assert_eq!(
        rows[2],
        [
            "2026-08-21T03:10:10.050Z",
            "node-1",
            "aa",
            "2026-08-21T03:09:00.000Z",
            HOSTILE,
            "/shop/web",
            "",
            "0.5",
            "false",
            "2026-08-21T03:09:00.000Z",
            "2.5",
            "1001",
            "0.30000000000000004",
            "0.25",
            "0.5"
        ]
    );
    assert_eq!(rows[4][12], "NaN");
    assert_eq!(rows[8][10..], ["3.333333333", "", "", "0.333333333", ""]);
}

#[tokio::test]
async fn samples_agree_cell_by_cell() {
    for query in ["", "&attributes=all", "&tz=Asia/Tokyo", "&id=bb"] {
        let answer = json(&get(&format!("/samples/container?{RANGE}{query}")).await);
        let table = rows(get(&format!("/samples/container.csv?{RANGE}{query}")).await.body());
        let samples = answer["samples"].as_array().unwrap();
        assert_eq!(table.len(), samples.len() + 1);
        assert!(!samples.is_empty());
        for (row, sample) in table[1..].iter().zip(samples) {
            assert_eq!(sample.as_object().unwrap().len(), row.len());
            for (name, field) in table[0].iter().zip(row) {
                assert_eq!(*field, as_field(&sample[name]), "{name}");
            }
        }
        assert!(answer["next"].is_null());
    }
}

#[tokio::test]
async fn samples_by_pages_are_the_whole() {
    let whole = rows(get(&format!("/samples/container.csv?{RANGE}")).await.body());
    let filter = filter();
    let mut path = format!("/api/v1/samples/container.csv?{RANGE}&limit=5");
    let mut paged = vec![whole[0].clone()];
    for page in 0.. {
        assert!(page < 4, "no end of pages");
        let response = ask(&filter, "GET", &path, &[]).await;
        assert_eq!(response.status(), 200, "{}", text(&response));
        paged.extend(rows(response.body()).into_iter().skip(1));
        let link = header(&response, "link");
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else {
            assert_eq!(link, "");
            break;
        };
        path = next.to_owned();
    }
    assert_eq!(paged, whole);
    // What a script does that kept the lines it received: identity and time of the last complete one.
    let after = format!("/samples/container.csv?{RANGE}&cursor=node-1,aa,{}", whole[3][0]);
    assert_eq!(rows(get(&after).await.body())[1..], whole[4..]);
    let json_page = json(&get(&format!("/samples/container?{RANGE}&limit=1")).await);
    assert_eq!(json_page["next"], "node-1,aa,2026-08-21T03:10:00.050Z");
}

#[tokio::test]
async fn entities_in_both_forms() {
    let answer = json(&get(&format!("/entities/container?{RANGE}")).await);
    let first = &answer["entities"][0];
    assert_eq!(first["identity"], serde_json::json!({"host": "node-1", "id": "aa"}));
    assert_eq!(first["attributes"]["labels"], serde_json::json!({"env": "pr,o\"d"}));
    assert_eq!(first["attributes"]["cpu_limit_cores"], 0.5);
    assert!(first["attributes"]["exit_code"].is_null());
    assert!(first["ended"].is_null());
    assert_eq!(first["first_seen"], "2026-08-21T03:10:00.000Z");
    let table = rows(get(&format!("/entities/container.csv?{RANGE}")).await.body());
    assert_eq!(
        table[0].join(" "),
        "host id name app exit_code cpu_limit_cores oom_killed started_at ports labels first_seen last_seen ended"
    );
    for (row, entity) in table[1..].iter().zip(answer["entities"].as_array().unwrap()) {
        for (name, field) in table[0].iter().zip(row) {
            let value = entity["identity"].get(name).or_else(|| entity["attributes"].get(name));
            assert_eq!(*field, as_field(value.unwrap_or_else(|| &entity[name])), "{name}");
        }
    }
    let page = get(&format!("/entities/container?{RANGE}&limit=1&name=*")).await;
    assert_eq!(json(&page)["next"], "node-1,aa");
    assert!(header(&page, "link").contains("name=%2A"), "filters go along: {}", header(&page, "link"));
}

#[tokio::test]
async fn events_in_both_forms() {
    let answer = json(&get(&format!("/events?{RANGE}")).await);
    assert_eq!(
        answer["events"][0],
        serde_json::json!({
            "time": "2026-08-21T03:10:20.050Z", "severity": "warning", "type": "container_oom", "kind": "container",
            "entity": {"host": "node-1", "id": "aa"}, "target": "docker/node-1", "message": HOSTILE,
            "details": {"exit_code": 137}
        })
    );
    let table = rows(get(&format!("/events.csv?{RANGE}")).await.body());
    assert_eq!(table[0].join(" "), "time severity type kind entity target message details");
    for (name, field) in table[0].iter().zip(&table[1]) {
        assert_eq!(*field, as_field(&answer["events"][0][name]), "{name}");
    }
}

#[tokio::test]
async fn targets_in_both_forms() {
    let answer = json(&get("/targets").await);
    let target = &answer["targets"][0];
    assert_eq!(target["target"], "docker/node-1");
    assert_eq!((&target["up"], &target["configured"]), (&true.into(), &true.into()));
    assert_eq!(target["last_success"], "2026-08-21T03:11:00.000Z");
    assert!((3540.0..3550.0).contains(&target["age_seconds"].as_f64().unwrap()));
    assert!(target["last_error"].is_null());
    let table = rows(get("/targets.csv").await.body());
    for (name, field) in table[0].iter().zip(&table[1]).filter(|(name, _)| *name != "age_seconds") {
        assert_eq!(*field, as_field(&target[name]), "{name}");
    }
}

#[tokio::test]
async fn kinds_describe_themselves() {
    let answer = json(&get("/kinds").await);
    assert_eq!(answer["kinds"][0]["name"], "container");
    let kind = json(&get("/kinds/container").await);
    assert_eq!(kind, answer["kinds"][0]);
    assert_eq!(kind["columns"][0]["type"], "counter");
    assert_eq!(kind["columns"][0]["unit"], "seconds");
    assert_eq!(kind["columns"][3]["type"], "derived");
    assert_eq!(kind["attributes"][7]["type"], "map");
    assert_eq!(rows(get("/kinds.csv").await.body())[1][0], "container");
    let dictionary = rows(get("/kinds/container.csv").await.body());
    assert_eq!(dictionary.len(), 1 + 2 + 8 + 3 + 2);
    assert_eq!(dictionary[11][..4], ["cpu_usage_seconds_total", "column", "counter", "seconds"]);
}

#[tokio::test]
async fn nothing_there_is_an_empty_answer() {
    let answer = get("/range/image").await;
    assert_eq!((answer.status().as_u16(), json(&answer)["series"].as_array().unwrap().len()), (200, 0));
    assert_eq!(text(&get("/range/image.csv?fields=size_bytes").await), "time,id,size_bytes\r\n");
    assert_eq!(json(&get("/range/container?name=nobody").await)["series"], serde_json::json!([]));
    assert_eq!(json(&get("/samples/image").await)["samples"], serde_json::json!([]));
    assert_eq!(json(&get("/entities/image").await)["entities"], serde_json::json!([]));
    assert_eq!(json(&get("/events?start=2020-01-01&end=2020-01-02").await)["events"], serde_json::json!([]));
}
