//! The arrows between modules, and what is absent where: the table of ARCHITECTURE.md, held true.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name of the crate, besides itself. `*`: everything.
const ARROWS: [(&str, &[&str]); 17] = [
    ("model", &[]),
    ("clock", &["model"]),
    ("rate", &["model"]),
    ("source", &["model", "clock"]),
    ("rollup", &["model", "rate"]),
    ("store", &["model", "rate", "rollup"]),
    ("query", &["model", "rate", "rollup"]),
    ("render", &["model", "query"]),
    ("config", &["model", "source"]),
    ("sampler", &["model", "clock", "rate", "source", "store"]),
    ("answer", &["model", "rate", "rollup", "query", "store"]),
    ("sql", &["model", "rate", "rollup", "query", "answer", "store"]),
    ("api", &["model", "clock", "query", "answer", "sql", "render", "store"]),
    ("app", &["*"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

struct File {
    /// Relative to src.
    path: String,
    /// The first component of the path without ending: the module.
    module: String,
    /// The whole text.
    text: String,
    /// Without comments and without test modules.
    code: String,
}

/// Every file that is built into the program: not those of test modules.
fn files() -> Vec<File> {
    let all = every_file();
    let mut tests = Vec::new();
    for file in &all {
        let directory = match file.path.strip_suffix(".rs") {
            Some("lib" | "main") | None => String::new(),
            Some(module) => format!("{module}/"),
        };
        let mut lines = file.text.lines();
        while let Some(line) = lines.next() {
            if line.trim() == "#[cfg(test)]"
                && let Some(module) = lines.next().and_then(|next| next.trim().strip_prefix("mod ")?.strip_suffix(';'))
            {
                tests.push(format!("{directory}{module}"));
            }
        }
    }
    let is_of = |path: &str, test: &String| {
        path.strip_prefix(test.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    all.into_iter().filter(|file| !tests.iter().any(|test| is_of(&file.path, test))).collect()
}

fn every_file() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let module = name.split(['/', '.']).next().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push(File { module, code: code_of(&text), text, path: name });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "only {} files under {}", found.len(), root.display());
    found
}

/// A file's text without comments and without what stands under `#[cfg(test)]` (to the closing brace in the
/// same column, as rustfmt writes it).
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        if start.starts_with("#[cfg(test)]") {
            let indent = line.len() - start.len();
            let mut ends_by_itself = false;
            for skipped in lines.by_ref() {
                let text = skipped.trim_start();
                let is_level = skipped.len() - text.len() == indent;
                ends_by_itself = is_level && (text.ends_with(';') || text.starts_with('}'));
                if ends_by_itself {
                    break;
                }
            }
            assert!(ends_by_itself, "an unfinished #[cfg(test)] item");
            continue;
        }
        if start.starts_with("//") {
            continue;
        }
        code.push_str(line.split(" // ").next().unwrap());
        code.push('\n');
    }
    code
}

/// Modules of the crate that a text names: `crate::rate::increase`, `use crate::{model, rate}`.
fn named_modules(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => named.push(word(rest)),
            Some(group) => named.extend(top_level_words(group)),
        }
    }
    named
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The first word of each part of `a::{b, c}, d}`, up to the brace that closes the group.
fn top_level_words(group: &str) -> Vec<String> {
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => part.push(letter),
        }
    }
    parts.push(part);
    parts.iter().map(|part| word(part.trim())).filter(|word| !word.is_empty()).collect()
}

#[test]
fn modules_name_only_what_lies_below_them() {
    let mut faults = Vec::new();
    for file in files() {
        let arrows = ARROWS.iter().find(|(module, _)| *module == file.module);
        let Some((_, allowed)) = arrows else {
            faults.push(format!("{}: module {} is not in the table of arrows", file.path, file.module));
            continue;
        };
        if allowed.contains(&"*") {
            continue;
        }
        for named in named_modules(&file.code) {
            if named != file.module && !allowed.contains(&named.as_str()) {
                faults.push(format!("{}: {} must not name {named}", file.path, file.module));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_must_be_absent_is_absent() {
    /// A text, the beginnings of the paths that may hold it, why nobody else may.
    const ABSENT: [(&str, &[&str], &str); 15] = [
        ("rusqlite::", &["store.rs", "store/", "sql.rs", "sql/"], "SQLite stays behind the store"),
        ("warp::", &["api.rs", "api/"], "only the API speaks HTTP to readers"),
        ("reqwest::", &["source.rs", "source/"], "only sources speak to targets"),
        (
            "chrono::",
            &["query.rs", "query/", "render.rs", "render/", "api/", "cli/", "source/", "answer"],
            "civil time is for edges",
        ),
        (
            "serde",
            &["source/", "config", "render", "api", "store/", "query/", "cli", "answer", "app", "sql/"],
            "wire shapes stay at the edges",
        ),
        ("SystemTime::now", &["clock.rs"], "time is an argument"),
        ("Utc::now", &[], "time is an argument"),
        ("Local::now", &[], "time is an argument"),
        ("unbounded_channel", &[], "every queue has a limit"),
        ("mpsc::channel()", &[], "every queue has a limit"),
        ("println!", &["cli.rs", "cli/", "main.rs"], "only commands print"),
        ("todo!", &[], "nothing is left out"),
        ("unimplemented!", &[], "nothing is left out"),
        ("unsafe ", &["sql/module.rs"], "virtual tables need it, nothing else does"),
        ("#[allow(", &[], "an exception is expected, with its reason"),
    ];
    let mut faults = Vec::new();
    for file in files() {
        for (text, places, why) in ABSENT {
            let may = places.iter().any(|place| file.path.starts_with(place));
            if !may && file.code.contains(text) {
                faults.push(format!("{}: holds {text:?}: {why}", file.path));
            }
        }
        // tokio's instants are for deadlines: they stand still with the runtime's paused time.
        let imports_std_instant = |line: &str| line.contains("std::time::") && line.contains("Instant");
        if file.path != "clock.rs" && file.code.lines().any(imports_std_instant) {
            faults.push(format!("{}: holds std's Instant: time is an argument", file.path));
        }
        let core = ["model", "rate"].contains(&file.module.as_str());
        if core && (file.code.contains("async ") || file.code.contains("tokio")) {
            faults.push(format!("{}: {} must not know async", file.path, file.module));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn sql_stands_in_files() {
    let mut faults = Vec::new();
    // SQLite is told of a virtual table's columns in a statement that is made of the kind's description.
    // A migration takes tables of the past as the file has them, whatever they are called.
    const MADE: [&str; 2] = ["sql/module.rs", "store/sqlite/migrations/rows.rs"];
    for file in files().into_iter().filter(|file| !MADE.contains(&file.path.as_str())) {
        for statement in ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "CREATE TABLE", "CREATE INDEX", "DROP "] {
            for quoted in [format!("\"{statement}"), format!("\"\n    {statement}"), format!("r#\"{statement}")] {
                if file.code.contains(&quoted) {
                    faults.push(format!("{}: SQL in a string: {statement}", file.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in every_file() {
        assert!(file.text.starts_with("//!"), "{} does not begin with what it is for", file.path);
    }
}

#[test]
fn the_reader_of_arrows_reads() {
    let code = code_of(
        "use crate::model::{Kind, Value};\nuse crate::{clock, rate::{self, Mark}};\n// crate::api\n\
         #[cfg(test)]\nmod tests {\n    use crate::store;\n}\nfn f() { crate::query::frame() }\n",
    );
    assert_eq!(named_modules(&code), ["model", "clock", "rate", "query"]);
}
