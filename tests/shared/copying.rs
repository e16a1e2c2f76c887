//! A server's files, replaced by a copy of them.

use std::time::Duration;

/// Puts a copy of a folder in its place, with the same names, contents, owners and times; done
/// again until the copy's change time shows it, which the server tells in whole seconds.
pub fn put_a_copy(folder: &std::path::Path) {
    use crate::child::Finish;
    use std::os::unix::fs::MetadataExt;
    let moved = folder.with_extension("moved");
    std::fs::rename(folder, &moved).unwrap();
    let changed = |folder: &std::path::Path| folder.join("PG_VERSION").metadata().unwrap().ctime();
    let give_up = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([&moved, folder])
            .finish("cp");
        assert!(copied.status.success());
        if changed(folder) != changed(&moved) {
            break;
        }
        assert!(
            std::time::Instant::now() < give_up,
            "the clock stands still"
        );
        std::fs::remove_dir_all(folder).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_dir_all(moved).unwrap();
}
