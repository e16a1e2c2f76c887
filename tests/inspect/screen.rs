//! `stagegate inspect` on a full screen.

use crate::pane::Pane;
use crate::stage::Stage;
use std::time::Duration;
use tokio_postgres::NoTls;

fn open(stage: &Stage, role: &str) -> Pane {
    let mut arguments = vec!["inspect".to_owned()];
    arguments.extend(stage.way(role));
    Pane::open(stage.home(), 100, 40, &arguments)
}

fn seen(pane: &mut Pane) -> &mut Pane {
    pane.until("what was seen", |screen| {
        screen.contains("looked ") && screen.contains(" PASS")
    })
}

#[test]
fn the_panes_tell_what_is_there() {
    let stage = Stage::pristine();
    stage.owner("ALTER TABLE service_ops.packet_decision ADD COLUMN utn integer; ANALYZE");
    stage.file(
        ".local/state/stagegate/20260102T030405Z-7.jsonl",
        "{\"not\": \"a journal\"}\n",
    );
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane)
        .wait_for("011   NO")
        .wait_for("012   PARTLY")
        .wait_for("READ-ONLY by the server")
        .send(b"\t")
        .wait_for("Verification, STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql: 6 NOT APPLIED, 2 FAIL")
        .wait_for("NOT APPLIED  011 ")
        .send(b"\t")
        .wait_for("integration.integration_receive_serviceops")
        .wait_for("about 50,000 rows")
        .wait_for("not yet applied  column correlation_id: uuid")
        .sought("the checks on it that do not pass")
        .sought("DIFFERS")
        .wait_for("column utn: type is integer, expected text")
        .wait_for("expected  text")
        .wait_for("actual    integer")
        .send(b"i")
        .wait_for("service_ops.packet_decision: ")
        .wait_for("promised: 21 columns, 5 indexes, 0 constraints, 0 dropped; as counted")
        .send(b"l")
        .wait_for("locks of other sessions on the script's tables")
        .send(b"s")
        .wait_for("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql  ")
        .send(b"\t")
        .wait_for("rollback/013_integration_receive_serviceops.sql")
        .send(b"\t")
        .wait_for("rollback/012")
        .send(b"\t")
        .wait_for("rollback/011")
        .send(b"\t")
        .wait_for("1 run in ")
        .wait_for("not as it was written")
        .send(b"?")
        .wait_for("look at everything again")
        .send(b"q")
        .wait_for("1 run in ")
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
    stage.assert_only_read();
}

#[test]
fn in_80_columns_the_counts_are_whole() {
    let stage = Stage::pristine();
    let mut arguments = vec!["inspect".to_owned()];
    arguments.extend(stage.way(stage.demo().role()));
    let mut pane = Pane::open(stage.home(), 80, 24, &arguments);
    seen(&mut pane)
        .until("every count", |screen| {
            let fits = [
                " READ-ONLY  ",
                " READ-ONLY \u{b7} looked ",
                " 11 NOT APPLIED, 0 FAIL, 16 PASS",
                " Verification, ",
                "_MIGRATIONS.sql: 8 NOT APPLIED, 0 FAIL, 0 WARN, 0 PASS",
                " Post-verification, ",
                "_verification.sql: 3 NOT APPLIED, 0 FAIL, 0 WARN, 0 PASS",
            ];
            fits.iter().all(|words| screen.contains(words))
        })
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
}

#[test]
fn pages_are_turned_with_ctrl_and_a_line_is_copied() {
    let stage = Stage::pristine();
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane)
        .send(b"s")
        .wait_for(" 1 -- ")
        .send(b"Y")
        .wait_for("line 1 of STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql, 1 line");
    let first = |screen: &str| screen.contains(" 1 -- ");
    // Half a page, and the other half: then the first line is far above.
    for key in [b"\x04", b"\x06"] {
        pane.send(key)
            .until("a later page", |screen| !first(screen));
        pane.send(b"\x02").until("the first page", first);
    }
    pane.send(b"q");
    assert_eq!(pane.exit_code(), 0);
    stage.assert_only_read();
}

#[test]
fn scripts_are_paged_and_searched_as_in_the_walk() {
    let stage = Stage::pristine();
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane)
        .send(b"s")
        .wait_for(" lines go on to the right: Right moves, Space reads on, w wraps")
        .send(b"\x1b[C")
        .until("the rest of the lines", |screen| {
            !screen.contains("go on to the right")
        })
        .wait_for("[scripts]")
        .send(b"\x1b[D")
        .wait_for(" 1 -- ")
        .send(b"w")
        .wait_for("Long lines are wrapped.")
        .send(b"]")
        .until("the first section", |screen| !screen.contains(" 1 -- "))
        .send(b"[")
        .wait_for("No section begins further up.")
        .send(b"/")
        .wait_for("FIND")
        // A paste is text: its line break does not end the search.
        .send(b"\x1b[200~Migration\n 013\x1b[201~")
        .wait_for("> Migration 013")
        .send(b"\r")
        .until("the end of the search", |screen| !screen.contains("FIND"))
        .wait_for("-- Migration 013")
        .send(b"\x1b[200~q\x1b[201~")
        .wait_for("Pasted text was refused")
        // Help is searched like any pane.
        .send(b"?")
        .wait_for("the scripts of the runbook")
        .sought("Ctrl-Z")
        .wait_for("Ctrl-Z")
        .send(b"\x1b")
        .wait_for("-- Migration 013")
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
    stage.assert_only_read();
}

#[test]
fn it_looks_again_by_itself_and_when_asked() {
    let stage = Stage::pristine();
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane).wait_for("012   NO");
    stage.owner("ALTER TABLE service_ops.packet_decision ADD COLUMN utn text");
    pane.send(b"p").wait_for("012   PARTLY");
    stage.owner("ALTER TABLE service_ops.packet_decision DROP COLUMN utn");
    // No key: the catalogs are looked at by themselves.
    pane.send(b"l").wait_for("0 locks of other sessions");
    let config = stage
        .demo()
        .sandbox()
        .connection("wiser_owner", "wiser_ops");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("BEGIN; LOCK TABLE service_ops.packet_decision IN SHARE MODE")
            .await
            .unwrap();
        client
    });
    pane.wait_for(": holds SHARE on");
    runtime.block_on(client.batch_execute("ROLLBACK")).unwrap();
    pane.wait_for("0 locks of other sessions");
    stage.assert_only_read();
}

#[test]
fn a_held_migration_does_not_stop_it() {
    let stage = Stage::pristine();
    let config = stage
        .demo()
        .sandbox()
        .connection("wiser_owner", "wiser_ops");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _client = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("BEGIN; ALTER TABLE service_ops.packet_decision ADD COLUMN utn text")
            .await
            .unwrap();
        client
    });
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane)
        .send(b"l")
        .wait_for("holds ACCESS EXCLUSIVE on")
        .send(b"m")
        .wait_for("the sizes of tables and indexes could not be read: ERROR:")
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
}

#[test]
fn a_role_with_nothing_but_connect_sees_a_useful_screen() {
    let stage = Stage::migrated();
    stage.superuser("CREATE ROLE guest LOGIN");
    let mut pane = open(&stage, "guest");
    seen(&mut pane)
        .wait_for("012   YES")
        .send(b"m")
        .wait_for("role guest may not read the rows of")
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
}

#[test]
fn without_a_server_it_says_so_and_goes_on_trying() {
    let stage = Stage::pristine();
    let arguments = ["inspect", "-h", "/nonexistent", "-U", "me"].map(str::to_owned);
    let mut pane = Pane::open(stage.home(), 80, 24, &arguments);
    pane.wait_for("NOT CONNECTED")
        .wait_for("no such socket")
        .send(b"q");
    assert_eq!(pane.exit_code(), 0);
}

#[test]
fn a_lost_server_is_told_and_found_again() {
    let stage = Stage::pristine();
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane);
    stage.superuser(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'stagegate inspect'",
    );
    pane.send(b"p").wait_for("LOST, last looked");
    pane.send(b"p")
        .until("the server again", |screen| !screen.contains("LOST"));
}

#[test]
fn hostile_names_are_shown_as_escapes() {
    let stage = Stage::pristine();
    stage.owner(
        "ALTER TABLE service_ops.packet_decision ADD COLUMN \"a\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\" int
             DEFAULT length(E'\\x1b[5m');
         CREATE INDEX \"i\u{1b}[2J\" ON service_ops.packet_decision ((1))",
    );
    let mut pane = open(&stage, stage.demo().role());
    seen(&mut pane)
        .send(b"\t")
        .wait_for("Verification, ")
        .send(b"\t")
        .wait_for("integration.integration_receive_serviceops")
        .sought("owned")
        .wait_for("a\\x1b]0;owned\\x07\\x9b2J\\u{202e}")
        .sought("i\\x1b")
        .wait_for("i\\x1b[2J")
        .send(b"q");
    pane.exit_code();
    let raw = pane.raw();
    let text = String::from_utf8_lossy(&raw);
    for never in ["\x1b]0;", "\u{7}", "\u{9b}", "\u{202e}", "\x1b[5m"] {
        assert!(!text.contains(never), "{never:?} reached the terminal");
    }
}

/// A small generator, so that the same keys come again on the next run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn thousands_of_random_keys_write_nothing() {
    // The pace is a person's, so the time is waiting: several of them press side by side.
    const PEOPLE: u64 = 4;
    let stage = Stage::pristine();
    let before = stage.content();
    let (pressed, opened) = std::thread::scope(|scope| {
        let people: Vec<_> = (0..PEOPLE)
            .map(|person| {
                let stage = &stage;
                scope.spawn(move || press_at_random(stage, Random(0x5eed_1e55 + person)))
            })
            .collect();
        people.into_iter().fold((0, 0), |(keys, sessions), person| {
            let (pressed, opened) = person.join().unwrap();
            (keys + pressed, sessions + opened)
        })
    });
    let sent = stage.assert_only_read();
    assert_eq!(stage.content(), before);
    println!("{pressed} keys in {opened} sessions, {sent} statements at the server");
}

/// The keys pressed, and how often the screen was opened for them.
fn press_at_random(stage: &Stage, mut random: Random) -> (usize, usize) {
    const KEYS: usize = 1_000;
    const SPECIAL: [&[u8]; 12] = [
        b"\r", b"\x1b", b"\t", b"\x1b[Z", b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~", b"\x7f",
        b" ", b"\x0c", b"\x15",
    ];
    let mut pane = open(stage, stage.demo().role());
    seen(&mut pane);
    let mut pressed = 0;
    let mut opened = 1;
    while pressed < KEYS {
        let key: Vec<u8> = match random.next(3) {
            0 => SPECIAL[random.next(SPECIAL.len())].to_vec(),
            // What would act in the walk comes often.
            1 => vec![b"capyrxube+oqp /nNslmjk?gG:"[random.next(26)]],
            _ => vec![b'!' + u8::try_from(random.next(94)).unwrap()],
        };
        pane.send(&key);
        pressed += 1;
        if pressed % 20 == 0 && pane.is_over() {
            assert_eq!(pane.exit_code(), 0);
            pane = open(stage, stage.demo().role());
            seen(&mut pane);
            opened += 1;
        }
    }
    // Where the last keys are still on their way, this one is refused with them.
    while !pane.is_over() {
        std::thread::sleep(Duration::from_millis(200));
        pane.send(b"\x03");
        pressed += 1;
        assert!(pressed < 2 * KEYS, "Ctrl-C is never heard");
    }
    assert_eq!(pane.exit_code(), 0);
    (pressed, opened)
}
