use super::*;

fn opened() -> Entry {
    Entry::Opened(Box::default())
}

#[test]
fn lines_are_for_their_owner_alone_and_chained() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let state = home.path().to_str().unwrap().to_owned();
    let env = |name: &str| (name == "XDG_STATE_HOME").then(|| state.clone());
    let mut journal = Journal::create(None, env).unwrap();
    journal.record(&opened()).unwrap();
    journal
        .record_durably(&Entry::intent(entry::Decision::Commit, Some("7".into())))
        .unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(journal.path()), 0o600);
    assert_eq!(mode(journal.path().parent().unwrap()), 0o700);
    let text = std::fs::read_to_string(journal.path()).unwrap();
    assert_eq!(chain::verify(&text).unwrap().len(), 2);
}

#[test]
fn lines_that_are_kept_stand_before_what_is_on_disk_and_are_written_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let mut journal = Journal::create(Some(&path), |_| None).unwrap();
    let written = || {
        let text = std::fs::read_to_string(&path).unwrap();
        chain::verify(&text).unwrap().len()
    };
    journal.keep(&opened());
    journal.keep(&opened());
    assert_eq!(written(), 0, "one by one");
    let intent = Entry::intent(entry::Decision::Commit, Some("7".into()));
    journal.record_durably(&intent).unwrap();
    assert_eq!(written(), 3);
    journal.keep(&opened());
    drop(journal);
    assert_eq!(written(), 4);
}

#[test]
fn what_is_put_on_disk_beside_is_waited_for_and_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let mut journal = Journal::create(Some(&path), |_| None).unwrap();
    journal.record_beside(&opened()).unwrap();
    journal.settle().unwrap();
    journal.record_durably(&opened()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(chain::verify(&text).unwrap().len(), 2);

    journal.record_beside(&opened()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = journal.settle().unwrap_err();
    assert!(matches!(error, JournalError::Displaced { .. }), "{error}");
}

#[test]
fn a_journal_that_is_being_written_is_known_as_such() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let journal = Journal::create(Some(&path), |_| None).unwrap();
    assert!(is_being_written(&path));
    drop(journal);
    assert!(!is_being_written(&path));
}

#[test]
fn a_journal_never_writes_over_another_one() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    Journal::create(Some(&path), |_| None).unwrap();
    let error = Journal::create(Some(&path), |_| None).unwrap_err();
    assert!(matches!(error, JournalError::Open { .. }), "{error}");
}

#[test]
fn a_full_disk_is_said() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let mut journal = Journal::over("/dev/full".into(), file);
    let error = journal.record_durably(&opened()).unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
}
