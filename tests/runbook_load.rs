//! Runbooks from folders, from bare scripts and from the program itself; the listing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test through and through.

use std::path::Path;

use stagegate::runbook::error::RunbookError;
use stagegate::runbook::script::Fate;
use stagegate::runbook::{ItemKind, Runbook, RunbookOrigin, listing};

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[track_caller]
fn manifest_error(manifest: &str) -> (usize, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "runbook.toml", manifest);
    write(folder.path(), "up.sql", "SELECT 1;");
    match Runbook::load(Some(folder.path())) {
        Err(error @ RunbookError::Manifest { .. }) => {
            let RunbookError::Manifest { line, .. } = &error else {
                unreachable!()
            };
            let line = *line;
            let told = error.to_string();
            assert!(told.contains(&format!("runbook.toml:{line}: ")), "{told}");
            (line, told)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bare_word_may_be_meant_as_a_database() {
    let error = Runbook::load(Some(Path::new("wiser_ops"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no runbook wiser_ops. If you mean a database: -d wiser_ops"
    );
    let error = Runbook::load(Some(Path::new("wiser_ops.sql"))).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn the_built_in_runbook_can_run() {
    let runbook = Runbook::load(None).unwrap();
    assert_eq!(runbook.origin, RunbookOrigin::BuiltIn);
    assert_eq!(runbook.expected_database.as_deref(), Some("wiser_ops"));
    let kinds: Vec<ItemKind> = runbook.items.iter().map(|item| item.kind).collect();
    assert_eq!(
        kinds,
        [
            ItemKind::Backup,
            ItemKind::Review,
            ItemKind::Connection,
            ItemKind::Structure,
            ItemKind::Rollback
        ]
    );
    assert_eq!(runbook.rollbacks.len(), 3);
    let scripts = [
        Some(&runbook.script),
        runbook.expected_state.as_ref(),
        runbook.post_verification.as_ref(),
    ];
    for script in scripts.into_iter().flatten().chain(&runbook.rollbacks) {
        assert!(
            script.refusals.is_empty(),
            "{}: {:?}",
            script.name,
            script.refusals
        );
    }
    assert_eq!(runbook.script.statements[0].fate, Fate::TakenOver);
    let sections: Vec<&str> = runbook
        .script
        .sections
        .iter()
        .map(|s| s.title.as_str())
        .collect();
    assert!(sections[0].starts_with("Migration 011"), "{sections:?}");
    assert_eq!(sections.len(), 4, "{sections:?}");
}

#[test]
fn what_is_exported_loads_as_the_same_runbook() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/runbook");
    let written = Runbook::export(&target).unwrap();
    assert_eq!(written.len(), 7);
    let loaded = Runbook::load(Some(&target)).unwrap();
    let built_in = Runbook::load(None).unwrap();
    assert_eq!(listing::json(&loaded), listing::json(&built_in));
    assert!(matches!(loaded.origin, RunbookOrigin::Folder(_)));
    let by_file = Runbook::load(Some(&target.join("runbook.toml"))).unwrap();
    assert_eq!(by_file.origin, loaded.origin);
}

#[test]
fn export_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "rollback/011_integration_inbox.sql", "mine");
    let error = Runbook::export(folder.path()).unwrap_err();
    assert!(matches!(error, RunbookError::Exists { .. }), "{error}");
    assert!(!folder.path().join("runbook.toml").exists());
}

#[test]
fn a_bare_script_has_a_checklist_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.sql", "SELECT 1;");
    let runbook = Runbook::load(Some(&folder.path().join("x.sql"))).unwrap();
    assert_eq!(runbook.title, "x.sql");
    let kinds: Vec<ItemKind> = runbook.items.iter().map(|item| item.kind).collect();
    assert_eq!(
        kinds,
        [
            ItemKind::Review,
            ItemKind::Connection,
            ItemKind::Backup,
            ItemKind::Attest
        ]
    );
    let error = Runbook::load(Some(&folder.path().join("y.sql"))).unwrap_err();
    assert!(
        error.to_string().contains("y.sql cannot be read"),
        "{error}"
    );
    let error = Runbook::load(Some(folder.path())).unwrap_err();
    assert!(error.to_string().contains("no runbook.toml"), "{error}");
}

#[test]
fn a_promise_of_no_section_is_an_error_and_one_of_a_section_is_kept() {
    let promised = |promises: &str| {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            "up.sql",
            "-- Section: Change 7: orders\nALTER TABLE o ADD COLUMN a int;\n",
        );
        let manifest = format!("title = \"t\"\nscript = \"up.sql\"\n{promises}");
        write(folder.path(), "runbook.toml", &manifest);
        Runbook::load(Some(folder.path()))
    };
    let kept = promised("[[promise]]\nsection = \"7\"\ncolumns = 2\ndrops = 0\n").unwrap();
    let impact = kept.impact();
    assert_eq!(
        impact.differences(),
        ["Change 7: orders: 2 columns promised, 1 counted in the script"]
    );
    for (promises, words) in [
        (
            "[[promise]]\nsection = \"8\"\n",
            "no section of the script has `8` in its title",
        ),
        (
            "[[promise]]\nsection = \"\"\n",
            "key `section`: it is empty",
        ),
        (
            "[[promise]]\nsection = \"7\"\n[[promise]]\nsection = \"7\"\n",
            "section `7` has a promise already",
        ),
        ("[[promise]]\nsection = \"7\"\ncolums = 2\n", "colums"),
        ("[[promise]]\nsection = \"7\"\ncolumns = -2\n", "columns"),
    ] {
        let error = promised(promises).unwrap_err().to_string();
        assert!(
            error.contains("runbook.toml:") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn a_manifest_error_names_file_line_and_key() {
    let (line, told) = manifest_error("title = \"t\"\nscript = \"up.sql\"\nscirpt = \"x\"\n");
    assert!(line == 3 && told.contains("scirpt"), "{told}");
    let (line, told) = manifest_error("title = \"t\"\nscript = 3\n");
    assert!(line == 2 && told.contains("`script`"), "{told}");
    let (_, told) = manifest_error("title = \"t\"\n");
    assert!(told.contains("script"), "{told}");
    let (line, told) = manifest_error("title = \"t\"\nscript = \"up.sql\n");
    assert!(line == 2, "{told}");
    let (line, told) = manifest_error("title = \"\"\nscript = \"up.sql\"");
    assert!(line == 1 && told.contains("`title`"), "{told}");
    let (line, told) = manifest_error("title = \"t\"\nscript = \"none.sql\"");
    assert!(line == 2 && told.contains("`script`: none.sql"), "{told}");
    for name in ["../up.sql", "/etc/passwd", "a/../../up.sql"] {
        let (line, told) = manifest_error(&format!(
            "title = \"t\"\nscript = \"up.sql\"\nrollback = [\n  \"up.sql\",\n  \"{name}\",\n]"
        ));
        assert!(
            line == 5 && told.contains("`rollback`") && told.contains("folder"),
            "{told}"
        );
    }
    let head = "title = \"t\"\nscript = \"up.sql\"\n";
    let item = "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"attest\"\n";
    let (line, told) = manifest_error(&format!("{head}{item}{item}"));
    assert!(line == 8 && told.contains("`id`"), "{told}");
    let (line, told) = manifest_error(&format!("{head}{}", item.replace("attest", "oath")));
    assert!(
        line == 6 && told.contains("oath") && told.contains("`kind`"),
        "{told}"
    );
    let (line, told) = manifest_error(&format!("{head}{}", item.replace("attest", "structure")));
    assert!(line == 4 && told.contains("expected_state"), "{told}");
}

/// A head that is right, in front of what is wrong.
const HEAD: &str = "title = \"t\"\nscript = \"up.sql\"\n";

/// What is written behind the head, the line and the key to blame, and words of the message.
const MALFORMED: &[(&str, usize, &str, &str)] = &[
    ("rollback = \"up.sql\"", 3, "rollback", "a list is expected"),
    (
        "rollback = [\n  \"up.sql\",\n  3,\n]",
        5,
        "rollback",
        "a text in quotes is expected",
    ),
    (
        "database = true",
        3,
        "database",
        "a text in quotes is expected",
    ),
    ("script = \"again.sql\"", 3, "script", "duplicate key"),
    (
        "[checklist]\nid = \"a\"",
        3,
        "checklist",
        "write [[checklist]] above each item",
    ),
    ("checklist = \"a\"", 3, "checklist", "a list is expected"),
    (
        "[[checklist]]\nid = \"a\"\nkind = \"attest\"",
        3,
        "title",
        "it is missing",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"",
        3,
        "kind",
        "it is missing",
    ),
    (
        "\n[[checklist]]\ntitle = \"A\"\nkind = \"attest\"",
        4,
        "id",
        "it is missing",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"Attest\"",
        6,
        "kind",
        "no `Attest`",
    ),
    (
        "[[checklist]]\nid = \"a\"\nfiel = \"x\"",
        5,
        "fiel",
        "`file`",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"checks\"",
        4,
        "file",
        "rows must pass",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"checks\"\nfile = \"none.sql\"",
        7,
        "file",
        "none.sql cannot be read: No such file or directory",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"attest\"\nfile = \"up.sql\"",
        7,
        "file",
        "kind = \"checks\"",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"review\"\ntext = \"T\"",
        7,
        "text",
        "kind = \"attest\"",
    ),
    (
        "[[checklist]]\nid = \"a\"\ntitle = \"A\"\nkind = \"attest\"\ntext = \" \"",
        7,
        "text",
        "it is empty",
    ),
    ("expected_state = \"\"", 3, "expected_state", "it is empty"),
    ("expected_state = \".\"", 3, "expected_state", "is a folder"),
    (
        "expected_state = \"/etc/passwd\"",
        3,
        "expected_state",
        "leads out of",
    ),
    (
        "\r\nexpectd = \"crlf\"\r\n",
        4,
        "expectd",
        "there is no such key",
    ),
    (
        "\"a\\u001b[2Jb\" = 1",
        3,
        "a\\x1b[2Jb",
        "there is no such key",
    ),
    (
        "rollback = [\"../\\u001b[2J\"]",
        3,
        "rollback",
        "../\\x1b[2J leads out of",
    ),
];

#[test]
fn whatever_is_wrong_with_a_manifest_has_its_line_its_key_and_its_words() {
    for (wrong, at, key, words) in MALFORMED {
        let (line, told) = manifest_error(&format!("{HEAD}{wrong}"));
        assert_eq!(line, *at, "{wrong}\n{told}");
        assert!(
            told.contains(&format!(": key `{key}`: ")),
            "{wrong}\n{told}"
        );
        assert!(told.contains(words), "{wrong}\n{told}");
        assert!(
            !told.contains('\x1b') && !told.contains("os error"),
            "{told:?}"
        );
    }
    let (line, told) = manifest_error("");
    assert!(
        line == 1 && told.ends_with("key `title`: it is missing"),
        "{told}"
    );
}

#[test]
fn a_manifest_is_text_in_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "up.sql", "SELECT 1;");
    let path = folder.path().join("runbook.toml");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Runbook::load(Some(folder.path())).map_err(|error| error.to_string())
    };
    assert_eq!(
        load(b"\xef\xbb\xbftitle = \"t\"\r\nscript = \"up.sql\"\r\n")
            .unwrap()
            .title,
        "t"
    );
    let told = load(b"title = \"t\"\nscript = \"\xff.sql\"").unwrap_err();
    assert!(
        told.ends_with("runbook.toml:2: this is not UTF-8; convert the file to UTF-8"),
        "{told}"
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let told = Runbook::load(Some(folder.path())).unwrap_err().to_string();
    assert!(
        told.contains("runbook.toml cannot be read: it is not an ordinary file"),
        "{told}"
    );
}

#[cfg(unix)]
#[test]
fn a_file_of_a_runbook_is_an_ordinary_one_inside_of_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "other.sql", "SELECT 1;");
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "runbook.toml",
        "title = \"t\"\nscript = \"link.sql\"",
    );
    write(folder.path(), "a/up.sql", "SELECT 1;");
    let link = folder.path().join("link.sql");
    std::os::unix::fs::symlink("a/up.sql", &link).unwrap();
    assert!(Runbook::load(Some(folder.path())).is_ok());
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(outside.path().join("other.sql"), &link).unwrap();
    let told = Runbook::load(Some(folder.path())).unwrap_err().to_string();
    assert!(
        told.contains("runbook.toml:2: key `script`: link.sql is a link that leads out"),
        "{told}"
    );
    std::fs::remove_file(&link).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&link).unwrap();
    let told = Runbook::load(Some(folder.path())).unwrap_err().to_string();
    assert!(
        told.contains("link.sql cannot be read: it is not an ordinary file"),
        "{told}"
    );
}

#[test]
fn a_bare_file_that_is_no_script_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sql");
    let refusals = |bytes: &[u8]| -> Vec<String> {
        std::fs::write(&path, bytes).unwrap();
        let runbook = Runbook::load(Some(&path)).unwrap();
        let told = runbook.refusals();
        told.map(|(_, r)| format!("{}:{}: {}", r.line, r.column, r.reason))
            .collect()
    };
    for nothing in ["", "-- a comment\n", "BEGIN;\nCOMMIT;\n", "\\timing on\n"] {
        let told = refusals(nothing.as_bytes());
        assert_eq!(
            told,
            ["1:1: there is nothing to run in it; name another file"]
        );
    }
    assert!(Runbook::load(Some(&path)).unwrap().script.does_nothing());
    for something in ["SELECT 1;", "VACUUM;", "\\gset"] {
        std::fs::write(&path, something).unwrap();
        let script = Runbook::load(Some(&path)).unwrap().script;
        assert!(!script.does_nothing(), "{something}");
    }
    for mark in [[0xff, 0xfe], [0xfe, 0xff]] {
        let told = refusals(&[&mark[..], b"S\0E\0L\0E\0C\0T\0 \x001\0"].concat());
        assert_eq!(told, ["1:1: this is UTF-16; convert the file to UTF-8"]);
    }
    let told = refusals(b"\x7fELF\0\0\xff;");
    assert!(
        told.iter().any(|told| told.contains("NUL byte")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|told| told.contains("not UTF-8")),
        "{told:?}"
    );
    assert_eq!(refusals(b"\xef\xbb\xbfSELECT 1;\r\n"), [""; 0]);
    let told = Runbook::load(Some(&folder.path().join("y.sql"))).unwrap_err();
    let expected = "y.sql cannot be read: No such file or directory";
    assert!(told.to_string().ends_with(expected), "{told}");
}

#[test]
fn a_result_is_data_where_the_runbook_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = "SELECT id,\n  status FROM jobs ORDER BY 1;\nSELECT 'x' AS c, 'PASS' AS status;\n";
    write(folder.path(), "up.sql", jobs);
    let manifest = |queries: &str| {
        let text = format!("title = \"t\"\nscript = \"up.sql\"\ndata_results = [{queries}]");
        write(folder.path(), "runbook.toml", &text);
        Runbook::load(Some(folder.path()))
    };
    let script = manifest("\"SELECT id, status  FROM jobs\"").unwrap().script;
    let data: Vec<bool> = (script.statements.iter())
        .map(|statement| statement.returns_data())
        .collect();
    assert_eq!(data, [true, false]);
    let told = script.findings_in_words().join("\n");
    assert!(
        told.contains("line 1: The runbook says that its rows are data"),
        "{told}"
    );
    let script = manifest("").unwrap().script;
    assert!(!script.statements[0].returns_data());
    let why = manifest("\"SELECT id FROM jobs\"").unwrap_err().to_string();
    assert!(
        why.contains("no statement of the script begins with"),
        "{why}"
    );
}

#[test]
fn a_folder_without_a_checklist_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "runbook.toml",
        "title = \"t\"\nscript = \"a/up.sql\"\nrollback = [\"down.sql\"]",
    );
    write(folder.path(), "a/up.sql", "\\ir more.sql\nSELECT 1;");
    write(folder.path(), "a/more.sql", "SELECT 0;");
    write(folder.path(), "down.sql", "SELECT 2;");
    let runbook = Runbook::load(Some(folder.path())).unwrap();
    assert_eq!(runbook.script.sources.len(), 2);
    assert_eq!(runbook.script.statements.len(), 2);
    assert!(
        runbook
            .items
            .iter()
            .any(|item| item.kind == ItemKind::Rollback)
    );
}

#[test]
fn includes_that_cannot_work_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "a.sql",
        "SELECT 1;\n\\ir b.sql\n\\ir none.sql\n",
    );
    write(folder.path(), "b.sql", "\\ir a.sql\nSELECT 2");
    let runbook = Runbook::load(Some(&folder.path().join("a.sql"))).unwrap();
    let told: Vec<_> = runbook
        .script
        .refusals
        .iter()
        .map(|r| (r.source, r.line, r.reason.as_str()))
        .collect();
    assert!(
        matches!(told.as_slice(), [(0, 3, missing), (1, 1, cycle)]
        if missing.contains("none.sql cannot be read") && cycle.contains("includes itself")),
        "{told:?}"
    );
    let texts: Vec<_> = runbook
        .script
        .statements
        .iter()
        .map(|s| s.text.as_str())
        .collect();
    assert_eq!(texts, ["SELECT 1", "SELECT 2"]);
}

#[test]
fn the_listing_shows_refusals_beside_their_statements_and_nothing_raw() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "x.sql",
        "-- Section: a\x1b[2Jb\nBEGIN;\nALTER TABLE \"t\x1b[31m\" ADD c int;\nVACUUM;\nCOMMIT;\n\\! ls\x07\n",
    );
    let runbook = Runbook::load(Some(&folder.path().join("x.sql"))).unwrap();
    let mut text = Vec::new();
    listing::write_text(&runbook, false, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    let json = listing::json(&runbook);
    assert!(!json.to_string().contains("\\u001b"), "{json}");
    assert_eq!(json["statements"][1]["relation"], "\"t\\x1b[31m\"");
    assert_eq!(json["statements"][0]["section"], "a\\x1b[2Jb");
    assert_eq!(json["statements"][3]["fate"], "held");
    let lines: Vec<&str> = text.lines().collect();
    let vacuum = lines
        .iter()
        .position(|line| line.contains("VACUUM") && !line.contains("counts"));
    assert!(
        lines[vacuum.unwrap() + 1].contains("REFUSED line 4, column 1"),
        "{text}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let source = std::fs::read(folder.path().join("x.sql")).unwrap();
    let at = |key: &str| json["statements"][2][key].as_u64().unwrap() as usize;
    assert_eq!(&source[at("start")..at("end")], b"VACUUM");
}
