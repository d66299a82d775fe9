//! Pictures over HTTP: the same question as a range's, its own size, and what cannot be drawn.

use super::seed::{header, text};
use super::world::get;

const RANGE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:10:00Z";

#[tokio::test]
async fn a_range_drawn() {
    let response =
        get(&format!("/chart/container.svg?{RANGE}&fields=cpu_cores,memory_working_set_bytes&coverage=1")).await;
    assert_eq!(response.status(), 200, "{}", text(&response));
    assert_eq!(header(&response, "content-type"), "image/svg+xml");
    assert_eq!(
        header(&response, "content-disposition"),
        "inline; filename=\"container_2026-08-21T030000Z_2026-08-21T031000Z.svg\""
    );
    let document = text(&response);
    assert!(document.starts_with("<svg width=\"1000\" "), "{document}");
    for words in ["cpu_cores, cores", "memory_working_set_bytes, bytes", "03:05", "step 10s", "web-1", "MiB"] {
        assert!(document.contains(words), "{words}: {document}");
    }
    // Names that a spreadsheet would run are just text here.
    assert!(document.contains("=new"));
    let again =
        get(&format!("/chart/container.svg?{RANGE}&fields=cpu_cores,memory_working_set_bytes&coverage=1")).await;
    assert_eq!(text(&again), document);
}

#[tokio::test]
async fn its_size_is_asked_for_within_bounds() {
    let size = |query: &str| format!("/chart/container.svg?{RANGE}&{query}");
    let small = get(&size("width=300&height=120&fields=cpu_cores&step=1m")).await;
    assert!(text(&small).starts_with("<svg width=\"300\" "), "{}", text(&small));
    for (query, words) in [
        ("width=100", "`100` is no whole number of pixels from 200 to 8000"),
        ("height=tall", "`tall` is no whole number of pixels from 100 to 2000"),
        ("widht=300", "width"),
        ("explain=1", "explain"),
        ("step=0s", "step"),
    ] {
        let refused = get(&size(query)).await;
        assert_eq!(refused.status(), 400, "{query}");
        assert!(text(&refused).contains(words), "{query}: {}", text(&refused));
    }
}

#[tokio::test]
async fn there_is_one_form_of_it() {
    for path in ["/chart/container", "/chart/container.csv", "/chart/containers.svg"] {
        let response = get(&format!("{path}?{RANGE}")).await;
        assert_eq!(response.status(), 404, "{path}: {}", text(&response));
    }
}
