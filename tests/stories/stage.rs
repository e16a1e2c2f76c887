//! A private server with the demo's database, the program on it, and what is left afterwards.

use crate::answers;
use crate::session::Session;
use crate::terminal::{PATIENCE, Terminal};
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::{Demo, DemoOptions, Scenario};
use stagegate::sandbox::programs::OVERRIDE_VARIABLE;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the migration adds, as [`Stage::structure`] names it: the documented objects, no more.
const ADDED: [&str; 40] = [
    "column service_ops.integration_inbox.message_type_id integer",
    "index service_ops.uq_integration_inbox_message_id",
    "index service_ops.idx_integration_inbox_message_type_id",
    "column service_ops.packet_decision.decision_subtype ",
    "column service_ops.packet_decision.decision_outcome ",
    "column service_ops.packet_decision.part_type ",
    "column service_ops.packet_decision.esmd_request_status ",
    "column service_ops.packet_decision.esmd_request_payload ",
    "column service_ops.packet_decision.esmd_request_payload_history ",
    "column service_ops.packet_decision.esmd_attempt_count ",
    "column service_ops.packet_decision.esmd_last_sent_at ",
    "column service_ops.packet_decision.esmd_last_error ",
    "column service_ops.packet_decision.utn ",
    "column service_ops.packet_decision.utn_status ",
    "column service_ops.packet_decision.utn_received_at ",
    "column service_ops.packet_decision.utn_fail_payload ",
    "column service_ops.packet_decision.utn_action_required ",
    "column service_ops.packet_decision.requires_utn_fix ",
    "column service_ops.packet_decision.letter_owner ",
    "column service_ops.packet_decision.letter_status ",
    "column service_ops.packet_decision.letter_package ",
    "column service_ops.packet_decision.letter_medical_docs ",
    "column service_ops.packet_decision.letter_generated_at ",
    "column service_ops.packet_decision.letter_sent_to_integration_at ",
    "index service_ops.idx_packet_decision_utn_status",
    "index service_ops.idx_packet_decision_requires_utn_fix",
    "index service_ops.idx_packet_decision_esmd_request_status",
    "index service_ops.idx_packet_decision_letter_status",
    "index service_ops.idx_packet_decision_decision_outcome",
    "column integration.integration_receive_serviceops.correlation_id uuid",
    "column integration.integration_receive_serviceops.attempt_count integer",
    "column integration.integration_receive_serviceops.resend_of_response_id bigint",
    "column integration.integration_receive_serviceops.payload_hash text",
    "column integration.integration_receive_serviceops.payload_version integer",
    "constraint integration.integration_receive_serviceops.fk_irs_resend_of_response_id",
    "index integration.idx_irs_correlation_id",
    "index integration.idx_irs_resend_of_response_id",
    "index integration.idx_irs_attempt_count",
    "index integration.idx_irs_decision_attempt",
    "rows with message_type_id = 1: all",
];

const REMOVED: [&str; 3] = [
    "constraint service_ops.integration_inbox.uq_integration_inbox_decision_message",
    "index service_ops.uq_integration_inbox_decision_message",
    "rows with message_type_id = 1: none",
];

/// Every column, index and constraint of the two schemas, one a row.
const STRUCTURE: &str = "
    SELECT format('column %s.%s.%s %s', nspname, relname, attname,
                  format_type(atttypid, atttypmod))
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('service_ops', 'integration') AND relkind IN ('r', 'p')
      AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT format('index %s.%s', schemaname, indexname) FROM pg_indexes
    WHERE schemaname IN ('service_ops', 'integration')
    UNION ALL
    SELECT format('constraint %s.%s.%s', nspname, relname, conname)
    FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('service_ops', 'integration')
    UNION ALL
    SELECT format('table %s.%s', nspname, relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('service_ops', 'integration', 'public') AND relkind NOT IN ('i', 'S')";

/// The server of one story, and a home for the program.
pub struct Stage {
    demo: Demo,
    home: tempfile::TempDir,
    before: BTreeSet<String>,
}

impl Stage {
    /// A server of its own, as the scenario wants it.
    pub fn set(scenario: Scenario) -> Stage {
        Self::with(DemoOptions::for_tests(scenario))
    }

    /// The same, with other options.
    pub fn with(options: DemoOptions) -> Stage {
        let demo = options.prepare(|_| {}).unwrap();
        let mut stage = Stage {
            demo,
            home: tempfile::tempdir().unwrap(),
            before: BTreeSet::new(),
        };
        stage.before = stage.structure();
        stage
    }

    // ---- the program ------------------------------------------------------------------------

    /// `stagegate run` on this server with the built-in runbook, in a terminal of 80 by 24.
    pub fn run(&self) -> Terminal {
        self.run_with(&[])
    }

    /// The same with further arguments: a script, options.
    pub fn run_with(&self, arguments: &[&str]) -> Terminal {
        self.run_in(80, 24, &[], arguments)
    }

    /// The same in another terminal.
    pub fn run_in(
        &self,
        columns: u16,
        rows: u16,
        env: &[(&str, &str)],
        arguments: &[&str],
    ) -> Terminal {
        let env = self.env(env);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        Terminal::spawn(columns, rows, &env, &self.arguments(arguments))
    }

    /// Another command, with all its arguments.
    pub fn open(&self, columns: u16, rows: u16, arguments: &[String]) -> Terminal {
        let env = self.env(&[]);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        Terminal::spawn(columns, rows, &env, arguments)
    }

    /// The same, but at another port.
    pub fn run_at(&self, port: &str) -> Terminal {
        let mut arguments = self.arguments(&[]);
        arguments[4] = port.to_owned();
        let env = self.env(&[]);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        Terminal::spawn(80, 24, &env, &arguments)
    }

    /// The same from a shell in the terminal, which stays when the program is gone.
    pub fn run_from_shell(&self) -> (Terminal, PathBuf) {
        let pid = self.home().join("pid");
        let env = self.env(&[]);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        let terminal = Terminal::spawn_from_shell(80, 24, &env, &self.arguments(&[]), &pid);
        (terminal, pid)
    }

    /// The same, with standard output in a pipe to a program that shows it and keeps it.
    pub fn run_into_a_pipe(&self, arguments: &[&str]) -> Terminal {
        let log = self.home().join("log");
        let env = self.env(&[("LOG", log.to_str().unwrap())]);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        Terminal::spawn_into_a_pipe(120, 50, &env, &self.arguments(arguments))
    }

    /// `run`, where to connect, and `further`.
    pub fn arguments(&self, further: &[&str]) -> Vec<String> {
        let mut arguments = vec![
            "run".to_owned(),
            "-h".to_owned(),
            self.demo.host().display().to_string(),
            "-p".to_owned(),
            self.demo.port().to_string(),
            "-U".to_owned(),
            self.demo.role().to_owned(),
        ];
        if !further.contains(&"-d") {
            arguments.extend(["-d".to_owned(), self.demo.database().to_owned()]);
        }
        arguments.extend(further.iter().map(|text| (*text).to_owned()));
        arguments
    }

    /// A home and a place for the journal, the programs that the tests run on, and `further`.
    pub fn env<'a>(&self, further: &[(&'a str, &str)]) -> Vec<(&'a str, std::ffi::OsString)> {
        let mut env = vec![
            ("HOME", self.home().into()),
            ("XDG_STATE_HOME", self.home().join("state").into()),
        ];
        env.extend(std::env::var_os(OVERRIDE_VARIABLE).map(|folder| (OVERRIDE_VARIABLE, folder)));
        env.extend(further.iter().map(|(name, value)| (*name, value.into())));
        env
    }

    /// The server's socket directory.
    pub fn host(&self) -> String {
        self.demo.host().display().to_string()
    }

    /// The server's port.
    pub fn port(&self) -> String {
        self.demo.port().to_string()
    }

    /// The role that the program connects as.
    pub fn role(&self) -> &str {
        self.demo.role()
    }

    /// The server itself, to be stopped and started.
    pub fn server(&self) -> &stagegate::sandbox::Sandbox {
        self.demo.sandbox()
    }

    /// Where the server listens on the network, if it was asked to.
    #[allow(dead_code)]
    pub fn tcp_address(&self) -> Option<std::net::SocketAddr> {
        self.demo.sandbox().tcp_address()
    }

    /// The program's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file beside the program's home; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    // ---- the database -----------------------------------------------------------------------

    /// Runs a query as the superuser in the demo's database; the first column of each row.
    pub fn ask(&self, query: &str) -> Vec<String> {
        let sandbox = self.demo.sandbox();
        let config = sandbox.connection(sandbox.superuser(), self.demo.database());
        answers::ask(&config, query)
    }

    /// A session of somebody else that has run `sql` and stays until it is dropped.
    pub fn session(&self, sql: &str) -> Session {
        let sandbox = self.demo.sandbox();
        let config = sandbox.connection(sandbox.superuser(), self.demo.database());
        Session::open(&config, sql)
    }

    /// The first answer to a query.
    #[track_caller]
    pub fn ask_one(&self, query: &str) -> String {
        self.ask(query).into_iter().next().expect("a row")
    }

    #[track_caller]
    pub fn wait_until(&self, query: &str, expected: &str) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask_one(query);
            if answer == expected {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "never {expected:?}: {query}\nlast: {answer:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn catalog(&self) -> BTreeSet<String> {
        self.ask(STRUCTURE).into_iter().collect()
    }

    fn structure(&self) -> BTreeSet<String> {
        let mut structure = self.catalog();
        // The column may not be there, so its values are asked for through a row's JSON.
        let rows = self.ask_one(
            "SELECT CASE count(*) FILTER (WHERE to_jsonb(i) ->> 'message_type_id' = '1')
                    WHEN 0 THEN 'none' WHEN count(*) THEN 'all' ELSE 'some' END
             FROM service_ops.integration_inbox i",
        );
        structure.insert(format!("rows with message_type_id = 1: {rows}"));
        structure
    }

    /// Asserts that the database has exactly what the migration documents, more than before.
    #[track_caller]
    pub fn assert_migrated(&self) {
        let after = self.structure();
        let added: Vec<&String> = after.difference(&self.before).collect();
        let removed: Vec<&String> = self.before.difference(&after).collect();
        for documented in ADDED {
            let found = added.iter().filter(|found| found.starts_with(documented));
            assert_eq!(found.count(), 1, "{documented} in {added:#?}");
        }
        assert_eq!(added.len(), ADDED.len(), "{added:#?}");
        assert_eq!(removed, REMOVED.iter().collect::<Vec<_>>());
    }

    /// Asserts that the database has exactly what it had at the beginning.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(self.structure(), self.before);
    }

    /// Asserts the same as far as others can see it while the tables are locked.
    #[track_caller]
    pub fn assert_nothing_seen(&self) {
        let mut before = self.before.clone();
        before.retain(|row| !row.starts_with("rows "));
        assert_eq!(self.catalog(), before);
    }

    /// Waits until no session of the program is left on the server.
    #[track_caller]
    pub fn assert_nobody_left(&self) {
        self.wait_until(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name IN ('stagegate', 'stagegate monitor')",
            "0",
        );
    }

    /// Asserts that the last line of `terminal` begins with these words, and that the terminal is
    /// given back whole.
    #[track_caller]
    pub fn assert_left(&self, terminal: &mut Terminal, code: u32, words: &str) {
        assert_eq!(terminal.exit_code(), code, "{}", terminal.picture());
        assert_eq!(terminal.is_taken(), [false; 3], "terminal not given back");
        let screen = terminal.screen_text();
        let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
        let [.., last, journal] = lines.as_slice() else {
            panic!("too little is left on the terminal:\n{screen}");
        };
        assert!(last.starts_with(words), "not {words:?}: {last}");
        assert!(journal.starts_with("Journal: "), "{journal}");
    }

    /// The transaction that the program holds now.
    #[track_caller]
    pub fn held(&self) -> String {
        self.ask_one(
            "SELECT backend_xid FROM pg_stat_activity
             WHERE application_name = 'stagegate' AND state LIKE 'idle in transaction%'",
        )
    }

    // ---- the journal ------------------------------------------------------------------------

    /// The journal of the only run so far, every line of it verified.
    #[track_caller]
    pub fn journal(&self) -> Vec<Entry> {
        let text = self.journal_text();
        let lines = chain::verify(&text).unwrap_or_else(|broken| panic!("{broken}\n{text}"));
        lines.into_iter().map(|line| line.entry).collect()
    }

    /// The text of the journal of the only run so far.
    #[track_caller]
    pub fn journal_text(&self) -> String {
        let folder = self.home().join("state/stagegate");
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        let [file] = files.as_slice() else {
            panic!("not one journal: {files:?}");
        };
        std::fs::read_to_string(file).unwrap()
    }

    /// Asserts that the journal tells these outcomes, in this order, and the exit code.
    #[track_caller]
    pub fn assert_journal(&self, outcomes: &[&str], exit_code: u8) {
        let entries = self.journal();
        let told: Vec<&str> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Outcome { outcome, .. } => Some(outcome.word()),
                _ => None,
            })
            .collect();
        assert_eq!(told, outcomes);
        assert!(
            matches!(entries.last(), Some(Entry::Left { code }) if *code == exit_code),
            "{:?}",
            entries.last()
        );
    }

    /// Asserts everything that holds after a COMMIT.
    #[track_caller]
    pub fn assert_committed(&self, terminal: &mut Terminal) {
        self.assert_left(terminal, 0, "COMMITTED wiser_ops on ");
        self.assert_migrated();
        self.assert_nobody_left();
        self.assert_journal(&["COMMITTED"], 0);
    }

    /// Asserts everything that holds after a rollback, for the reason and with the code given.
    #[track_caller]
    pub fn assert_rolled_back(&self, terminal: &mut Terminal, code: u8, because: &str) {
        self.assert_left(terminal, code.into(), "ROLLED BACK wiser_ops on ");
        let said = terminal.screen_text();
        assert!(said.contains(&format!("because {because}")), "{said}");
        self.assert_untouched();
        self.assert_nobody_left();
        self.assert_journal(&["ROLLED BACK"], code);
    }
}

// ---- the walk -------------------------------------------------------------------------------

/// The steps that most stories take, each waiting for what it leads to.
pub trait Walk {
    /// Waits until the checklist is there and all its evidence has come.
    fn wait_for_evidence(&mut self) -> &mut Self;
    /// Reads every script to its end.
    fn read_everything(&mut self) -> &mut Self;
    /// Moves the cursor to the item with this number.
    fn go_to_item(&mut self, number: usize) -> &mut Self;
    /// Signs every item, with what its evidence says read before.
    fn sign_every_item(&mut self) -> &mut Self;
    /// Reads everything and signs every item.
    fn sign_everything(&mut self) -> &mut Self;
    /// Waits until the gate is armed.
    fn wait_for_the_gate(&mut self) -> &mut Self;
    /// Signs everything, applies, and waits until the gate is armed.
    fn walk_to_the_gate(&mut self) -> &mut Self;
    /// At the gate: `c`, the name, Enter.
    fn send_commit(&mut self) -> &mut Self;
    /// The same; waits until it is proven.
    fn commit(&mut self) -> &mut Self;
    /// Where a transaction is open: `r`, `y`; waits until it is proven.
    fn roll_back(&mut self) -> &mut Self;
}

/// How many items are signed, of how many.
fn signed(screen: &str) -> Option<(usize, usize)> {
    let (_, rest) = screen.split_once("CHECKLIST  ")?;
    let mut words = rest.split_whitespace();
    let signed = words.next()?.parse().ok()?;
    let of = words.nth(1)?.parse().ok()?;
    Some((signed, of))
}

/// How many lines of the open script were not on the screen yet.
fn unseen(screen: &str) -> Option<usize> {
    let title = screen.lines().nth(4)?;
    let (before, _) = title.split_once(" unseen")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Which finding of the item under the cursor is to be acknowledged next.
fn finding(screen: &str) -> Option<usize> {
    let (_, after) = screen.split_once("  acknowledges ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// The database, as the header names it.
fn database(screen: &str) -> Option<String> {
    let mut words = screen.lines().next()?.split_whitespace();
    // Of a socket it stands before the folder, which is further on.
    words.find_map(|word| {
        let (_, place) = word.split_once('@')?;
        Some(place.rsplit('/').next()?.to_owned())
    })
}

impl Walk for Terminal {
    fn wait_for_evidence(&mut self) -> &mut Self {
        self.wait_until("the checklist with all its evidence", |screen| {
            signed(screen).is_some_and(|(_, items)| {
                let standings = ["HOLDS", "WARNS", "FAILS", "NEEDS", "ANSWER"];
                let looked = screen.lines().filter(|line| {
                    let mut words = line.split_whitespace();
                    line.contains("open") && words.any(|word| standings.contains(&word))
                        || line.contains("signed  ")
                });
                looked.count() >= items
                    && !["looking", "linting"]
                        .iter()
                        .any(|word| screen.contains(word))
            })
        })
    }

    fn read_everything(&mut self) -> &mut Self {
        // The open one of the tabs stands in brackets, below the three lines of the header.
        let open = |screen: &str| {
            let (_, rest) = screen.lines().nth(3)?.split_once('[')?;
            let (name, _) = rest.split_once(']')?;
            Some(name.to_owned())
        };
        self.key("s")
            .wait_until("the scripts", |screen| open(screen).is_some());
        let first = open(&self.screen_text());
        loop {
            // What no signature asks for has no such words.
            loop {
                let before = self.screen_text();
                if unseen(&before).is_none() {
                    break;
                }
                self.key("Space")
                    .wait_until("the next part", |screen| screen != before);
            }
            let this = open(&self.screen_text());
            if !self.screen_text().contains("Tab next") {
                break;
            }
            self.key("Tab").wait_until("the next script", |screen| {
                open(screen).is_some() && open(screen) != this
            });
            if open(&self.screen_text()) == first {
                break;
            }
        }
        self.key("Esc").wait_for("CHECKLIST  ")
    }

    fn go_to_item(&mut self, number: usize) -> &mut Self {
        // The cursor stands before its number.
        let at = |screen: &str| {
            screen.lines().skip(3).find_map(|line| {
                let item = line.trim_start().strip_prefix(['▸', '>'])?;
                item.split_whitespace().next()?.parse::<usize>().ok()
            })
        };
        loop {
            let here = at(&self.screen_text()).unwrap_or_else(|| panic!("{}", self.picture()));
            if here == number {
                return self;
            }
            let (key, next) = if here < number {
                ("Down", here + 1)
            } else {
                ("Up", here - 1)
            };
            self.key(key)
                .wait_until("the next item", |screen| at(screen) == Some(next));
        }
    }

    fn sign_everything(&mut self) -> &mut Self {
        self.wait_for_evidence().read_everything().sign_every_item()
    }

    fn sign_every_item(&mut self) -> &mut Self {
        let (_, items) =
            signed(&self.screen_text()).unwrap_or_else(|| panic!("{}", self.picture()));
        for item in 1..=items {
            self.go_to_item(item);
            while let Some(open) = finding(&self.screen_text()) {
                self.key("f")
                    .wait_until("the next finding", |screen| finding(screen) != Some(open));
            }
            let reference = self.screen_text().contains("Space asks for its reference");
            let name = self
                .screen_text()
                .contains("Space asks for the database name");
            let words = self.screen_text().contains("Space asks for the words");
            // The cursor may have come here by itself, and Space may be the one from before.
            self.key("PgUp").key("Space");
            if words {
                self.wait_for("YOUR WORDS")
                    .type_slowly("drop it")
                    .key("Enter");
            }
            if reference {
                self.wait_for("REFERENCE").type_slowly("b7").key("Enter");
            }
            if name {
                let database = database(&self.screen_text()).unwrap();
                self.wait_for("DATABASE NAME")
                    .type_slowly(&database)
                    .key("Enter");
            }
            self.wait_for(&format!("CHECKLIST  {item} of {items} signed"));
        }
        self.wait_for("a opens the transaction")
    }

    fn walk_to_the_gate(&mut self) -> &mut Self {
        self.sign_everything().key("a").wait_for_the_gate()
    }

    fn wait_for_the_gate(&mut self) -> &mut Self {
        self.wait_until("an armed gate", |screen| {
            // The checks may stand beside it.
            let mut left = screen
                .lines()
                .filter_map(|line| line.split(['│', '|']).next());
            left.any(|line| line.trim() == "ARMED")
        })
    }

    fn send_commit(&mut self) -> &mut Self {
        self.key("c")
            .wait_for("Type the name of the database")
            .type_slowly("wiser_ops")
            .key("Enter")
    }

    fn commit(&mut self) -> &mut Self {
        self.send_commit().wait_for("C O M M I T T E D")
    }

    fn roll_back(&mut self) -> &mut Self {
        self.key("r")
            .wait_for("ROLLBACK?")
            .key("y")
            .wait_for("R O L L E D   B A C K")
    }
}
