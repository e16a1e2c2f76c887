//! A database of its own for each test on one server, a runbook made of plain statements, and a
//! session that is ordered and listened to.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stagegate::database::session::{HoldOptions, Order, Session};
use stagegate::database::settings::{ConnectionOptions as Given, Settings};
use stagegate::facts::{ServerMessage, StatementReport, Target};
use stagegate::gate::act::Command;
use stagegate::gate::effect::{Effect, Request};
use stagegate::gate::event::{Added, Body, Event, Report, Seq};
use stagegate::gate::plan::ARMING;
use stagegate::gate::warrant::Recorded;
use stagegate::gate::{Machine, Mode, Plan};
use stagegate::runbook::check::{Check, Verdict};
use stagegate::runbook::script::{Fate, Script, SeldomParts, Source, Statement};
use stagegate::runbook::{ChecklistItem, ItemKind, Runbook, RunbookOrigin};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// How long a condition may take to come true before a test gives up. Never part of a promise.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The server that all tests share; its reaper ends it with this process.
pub fn server() -> &'static Sandbox {
    static SERVER: OnceLock<Sandbox> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = SandboxOptions {
            tcp: true,
            ..SandboxOptions::for_tests()
        };
        Sandbox::start(options).unwrap()
    })
}

/// Waits for something, at most for [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("this never happened: {what}"),
    }
}

/// A connection of the test's own.
pub async fn psql(server: &Sandbox, database: &str) -> Client {
    let config = server.connection("postgres", database);
    // Many tests at once fill the queue in front of the server: EAGAIN, which is no answer of its.
    let (client, connection) = within("the server takes a connection", async {
        loop {
            match config.connect(NoTls).await {
                Ok(connected) => return connected,
                Err(error) if error.as_db_error().is_some() => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    tokio::spawn(connection);
    client
}

/// A new, empty database; its name.
pub async fn database(server: &Sandbox) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let client = psql(server, "postgres").await;
    // Two at once may find the template in use by the other.
    within("a database is made", async {
        while client
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    name
}

/// Settings from a conninfo string, without this process's environment.
pub fn settings(conninfo: &str) -> Settings {
    let given = Given {
        database: Some(conninfo.to_owned()),
        ..Given::default()
    };
    Settings::find(&given, &|_| None, None, &|_| false).unwrap()
}

pub fn over_socket(server: &Sandbox, database: &str) -> Settings {
    settings(&format!(
        "host={} port={} user=postgres dbname={database}",
        server.socket_dir().display(),
        server.port()
    ))
}

/// A statement by hand; the text of COPY data stands after a form feed.
fn statement(number: usize, text: &str, source: &mut String) -> Statement {
    let (text, data) = match text.split_once('\x0c') {
        Some((text, data)) => (text, Some(data)),
        None => (text, None),
    };
    let fate = match text {
        "BEGIN" => Fate::TakenOver,
        "COMMIT" => Fate::Held,
        _ => Fate::Sent,
    };
    let line = source.lines().count() + 1;
    let start = source.len();
    source.push_str(text);
    let span = start..source.len();
    source.push_str(";\n");
    let copy_data = data.map(|data| {
        let start = source.len();
        source.push_str(data);
        start..source.len()
    });
    let words: Vec<&str> = text.split_whitespace().collect();
    Statement {
        number,
        section: None,
        source: 0,
        line,
        column: 1,
        span,
        kind: words
            .iter()
            .take(2)
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
            .into(),
        relation: words.get(2).map(|w| (*w).into()).into(),
        text: text.into(),
        is_data: false,
        goes_back: false,
        fate,
        seldom: SeldomParts {
            copy_data,
            ..SeldomParts::default()
        }
        .if_any(),
    }
}

pub fn script(statements: &[&str]) -> Script {
    let mut text = String::new();
    let statements = statements
        .iter()
        .enumerate()
        .map(|(i, s)| statement(i + 1, s, &mut text))
        .collect();
    Script {
        name: "script.sql".into(),
        sources: vec![Source {
            name: "script.sql".into(),
            path: None,
            ordinary: false,
            text: text.into(),
            encodings: Vec::new(),
            remarks: Vec::new(),
            sha256: String::new(),
        }],
        sections: Vec::new(),
        statements,
        echoes: Vec::new(),
        refusals: Vec::new(),
        variables: Vec::new(),
        data: Vec::new(),
        findings: Vec::new().into(),
        objects: Default::default(),
    }
}

/// A runbook with this script and nothing else.
pub fn runbook(statements: &[&str]) -> Runbook {
    let item = |id: &str, kind| ChecklistItem::new(id, id, kind);
    let origin = RunbookOrigin::BareScript(PathBuf::new());
    Runbook {
        items: vec![
            item("review", ItemKind::Review),
            item("connection", ItemKind::Connection),
            item("structure", ItemKind::Structure),
        ],
        ..Runbook::bare("a test", origin, script(statements))
    }
}

/// A session and its reports.
pub struct Stage {
    pub session: Session,
    pub database: String,
    pub task: JoinHandle<()>,
    reports: mpsc::UnboundedReceiver<Report>,
    seq: Seq,
}

impl Stage {
    /// A session that is not connected yet.
    pub fn with(settings: Settings, runbook: Runbook, options: HoldOptions) -> Stage {
        let database = settings.database.clone();
        let (sender, reports) = mpsc::unbounded_channel();
        let (session, task) = Session::spawn(Arc::new(runbook), settings, options, sender);
        Stage {
            session,
            database,
            task,
            reports,
            seq: 0,
        }
    }

    /// A session on a new database of the shared server, connected.
    pub async fn new(statements: &[&str]) -> Stage {
        Stage::set("", statements).await
    }

    /// The same, after `before` was run on the database.
    pub async fn set(before: &str, statements: &[&str]) -> Stage {
        let database = database(server()).await;
        psql(server(), &database)
            .await
            .batch_execute(before)
            .await
            .unwrap();
        let mut stage = Stage::with(
            over_socket(server(), &database),
            runbook(statements),
            HoldOptions::default(),
        );
        stage.connect().await;
        stage
    }

    pub async fn connect(&mut self) -> Target {
        match self.ask(Order::Connect).await {
            Body::Connected(target) => *target,
            other => panic!("{other:?}"),
        }
    }

    /// A connection of the test's own to the same database.
    pub async fn psql(&self) -> Client {
        psql(server(), &self.database).await
    }

    pub fn order(&mut self, order: Order) -> Seq {
        self.seq += 1;
        self.session.order(self.seq, order);
        self.seq
    }

    pub async fn next(&mut self) -> Report {
        within("a report", self.reports.recv()).await.unwrap()
    }

    /// Everything up to the final report of the order that was queued last.
    pub async fn all(&mut self) -> Vec<Body> {
        let mut bodies = Vec::new();
        loop {
            let report = self.next().await;
            // It comes behind the answers to a probe, and tells nothing about the order.
            if matches!(report.body, Body::Measured(_)) {
                continue;
            }
            // It follows the end of the order that found it.
            if report.body == Body::TransactionGone && report.seq < self.seq {
                continue;
            }
            assert_eq!(report.seq, self.seq, "{report:?}");
            let last = is_final(&report.body);
            bodies.push(report.body);
            if last {
                return bodies;
            }
        }
    }

    /// Orders something and returns its final report.
    pub async fn ask(&mut self, order: Order) -> Body {
        self.order(order);
        self.all().await.pop().unwrap()
    }

    /// BEGIN; the transaction's number and what was sent.
    pub async fn begin(&mut self) -> (String, Vec<String>) {
        match self.ask(Order::Begin).await {
            Body::Begun { xid, added } => (xid, added.iter().map(Added::to_string).collect()),
            other => panic!("{other:?}"),
        }
    }

    /// BEGIN and the script, which must succeed; the transaction's number and the statements.
    pub async fn apply(&mut self) -> (String, Vec<StatementReport>) {
        let (xid, _) = self.begin().await;
        self.order(Order::RunScript);
        let bodies = self.all().await;
        assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
        let finished = bodies.into_iter().filter_map(|body| match body {
            Body::StatementFinished(report) => Some(*report),
            _ => None,
        });
        (xid, finished.collect())
    }

    /// BEGIN and the script, which must fail; where and with what.
    pub async fn fail(&mut self) -> (usize, ServerMessage) {
        self.begin().await;
        match self.ask(Order::RunScript).await {
            Body::StatementFailed { number, error, .. } => (number, *error),
            other => panic!("{other:?}"),
        }
    }

    pub async fn commit(&mut self, xid: &str) -> stagegate::gate::event::CommitAnswer {
        let mut body = self.ask(Order::Commit(recorded(xid))).await;
        if body == Body::NumberDurable {
            body = self.next().await.body;
        }
        match body {
            Body::CommitAnswered(answer) => answer,
            other => panic!("{other:?}"),
        }
    }
}

/// Whether an order is answered with it.
fn is_final(body: &Body) -> bool {
    !matches!(
        body,
        Body::StatementStarted { .. }
            | Body::StatementFinished(_)
            | Body::Noticed { .. }
            | Body::Guard { .. }
            | Body::CommitWaits(_)
    )
}

/// A warrant for `xid`, got the only way there is: through an armed gate.
pub fn recorded(xid: &str) -> Recorded {
    let mut machine = Machine::new(Plan {
        may_lack_checks: false,
        second_signer: None,
        mode: Mode::Run,
        items: Vec::new(),
        hold_limit: 60_000,
        post_verification: false,
        targets: Vec::new(),
        lock_attempts: 1,
        other_form: false,
        max_waiters: None,
        max_wait: None,
        unheld: stagegate::gate::plan::Unheld::Never,
    });
    let mut seq = 0;
    let mut effects = machine.start();
    let target = Target {
        database: "d".into(),
        ..Target::default()
    };
    let pass = StatementReport {
        checks: vec![Check {
            name: "c".into(),
            verdict: Verdict::Pass,
            detail: String::new(),
        }],
        ..StatementReport::default()
    };
    enum Step {
        Says(Body),
        Key(Command),
    }
    let begun = Body::Begun {
        xid: xid.into(),
        added: Vec::new(),
    };
    let settled = Body::Settled {
        same_transaction: true,
    };
    let steps = [
        Step::Says(Body::Connected(Box::new(target))),
        Step::Key(Command::Apply),
        Step::Says(begun),
        Step::Says(Body::StatementFinished(Box::new(pass))),
        Step::Says(Body::ScriptFinished),
        Step::Says(settled),
        Step::Key(Command::AskCommit),
        Step::Key(Command::NameTyped("d".into())),
    ];
    for step in steps {
        for effect in &effects {
            if let Effect::Request { seq: new, .. } = effect {
                seq = *new;
            }
        }
        effects = match step {
            Step::Says(body) => machine.handle(Event::Reported(Report { seq, body })),
            Step::Key(command) => {
                machine.handle(Event::Drawn);
                machine.handle(Event::Ticked { elapsed: ARMING });
                machine.handle(Event::Drawn);
                machine.handle(Event::Asked(command))
            }
        };
    }
    for effect in effects {
        if let Effect::Request {
            request: Request::Commit(warrant),
            ..
        } = effect
        {
            return warrant.record(|_| Ok::<(), ()>(())).unwrap();
        }
    }
    panic!("the gate gave no warrant: {:?}", machine.phase());
}
