//! A throw-away server with the schema as it is before the migration, sample data, and a situation
//! to meet: the stage on which `stagegate demo` and the end-to-end tests play.
//!
//! The situations are real: a lock is held by a session, waiters come from an application that
//! writes. They are bounded in number and pace, and end with the [`Demo`].

mod load;
mod sessions;

use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::programs::Programs;
use super::{ClusterPlace, Sandbox, SandboxError, SandboxOptions};

/// The database of the demo, as the runbook expects it.
pub const DATABASE: &str = "wiser_ops";
/// The role that owns the tables; the demo connects as it. It is no superuser.
pub const OWNER: &str = "wiser_owner";
/// The role of the application and of the nightly report.
pub const APPLICATION: &str = "wiser_app";

/// What the person in front of the demo is to meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Nothing in the way: every check passes
    #[default]
    Clean,
    /// The migration runs through, but one of its checks fails
    FailingCheck,
    /// Two inbox messages share an id, so a unique index cannot be built
    DuplicateMessageIds,
    /// A nightly report holds a lock on packet_decision, and lets go a while after being waited for
    Blocked,
    /// An application keeps reading and writing, so sessions queue up behind the held transaction
    Busy,
}

#[derive(Debug, Clone)]
pub struct DemoOptions {
    pub scenario: Scenario,
    pub sandbox: SandboxOptions,
    /// [`Scenario::Blocked`]: how long the report goes on holding its lock after somebody first
    /// waits for it. Counted from then, not from the start, so that there is a blocker however long
    /// the checklist takes to read.
    pub blocker_patience: Duration,
    /// Keep the loaded cluster (some 80 MB) beside the template, and copy it next time: ten times
    /// faster from the second start on.
    pub kept: bool,
}

impl DemoOptions {
    /// In memory where there is room; a blocker lets go 20 s after it is first waited for, so that
    /// a first attempt with a short lock timeout fails and a later one succeeds.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            sandbox: SandboxOptions {
                place: ClusterPlace::Memory,
                ..SandboxOptions::default()
            },
            blocker_patience: Duration::from_secs(20),
            kept: false,
        }
    }

    /// For tests: with the loaded cluster kept from one to the next.
    #[must_use]
    pub fn for_tests(scenario: Scenario) -> Self {
        Self {
            kept: true,
            ..Self::new(scenario)
        }
    }

    /// Starts the server, loads the data and sets the scene. `progress` is given a line to show
    /// before each step that takes time. Blocks until all is in place.
    pub fn prepare(mut self, mut progress: impl FnMut(&str)) -> Result<Demo, SandboxError> {
        let programs = match self.sandbox.programs.take() {
            Some(programs) => programs,
            None => Programs::find()?,
        };
        progress(&format!("starting PostgreSQL {} …", programs.version));
        self.sandbox.programs = Some(programs);
        if self.kept {
            self.sandbox.content = Some(load::content_name());
        }
        let mut sandbox = Sandbox::start(self.sandbox)?;
        let stage = DemoStage {
            scenario: self.scenario,
            superuser: sandbox.connection(sandbox.superuser(), "postgres"),
            owner: sandbox.connection(OWNER, DATABASE),
            application: sandbox.connection(APPLICATION, DATABASE),
            blocker_patience: self.blocker_patience,
        };
        if !sandbox.is_filled() {
            progress("loading 50,000 rows a table …");
            thread::scope(|scope| {
                let loading = scope.spawn(|| {
                    runtime()?.block_on(load::everything(&stage.superuser, &stage.owner))
                });
                loading.join().unwrap_or_else(|_| Err(died()))
            })?;
            sandbox.keep()?;
        }
        let (report, reports) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // Threads of our own: the caller may or may not be inside an async runtime.
        let thread = thread::Builder::new()
            .name("demo".to_owned())
            .spawn(move || stage.play(&report, stopped))
            .map_err(SandboxError::io("start the demo's thread"))?;
        let demo = Demo {
            stop: Some(stop),
            thread: Some(thread),
            sandbox,
        };
        reports.recv().unwrap_or_else(|_| Err(died()))?;
        Ok(demo)
    }
}

/// A prepared demo. Dropping it ends its sessions and its server, and removes the files.
#[derive(Debug)]
pub struct Demo {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    sandbox: Sandbox,
}

impl Demo {
    /// A demo with the usual options, without a word.
    pub fn prepare(scenario: Scenario) -> Result<Self, SandboxError> {
        DemoOptions::new(scenario).prepare(|_| {})
    }

    /// The host to connect to: the folder of the server's socket.
    pub fn host(&self) -> &Path {
        self.sandbox.socket_dir()
    }

    pub fn port(&self) -> u16 {
        self.sandbox.port()
    }

    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// The role to connect as. No password is asked for.
    pub fn role(&self) -> &'static str {
        OWNER
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All that the demo's thread needs to know.
struct DemoStage {
    scenario: Scenario,
    superuser: tokio_postgres::Config,
    owner: tokio_postgres::Config,
    application: tokio_postgres::Config,
    blocker_patience: Duration,
}

/// What the demo's thread tells the one that waits for it: once, that all is in place, or why not.
type DemoReady = mpsc::Sender<Result<(), SandboxError>>;

impl DemoStage {
    fn play(self, report: &DemoReady, stopped: oneshot::Receiver<()>) {
        // Nobody listens any more once the caller has its answer, or is gone.
        let tell = |what| {
            let _ = report.send(what);
        };
        match runtime() {
            Err(error) => tell(Err(error)),
            Ok(runtime) => runtime.block_on(async {
                let story = async {
                    if let Err(error) = self.act(&tell).await {
                        tell(Err(error));
                    }
                };
                tokio::select! {
                    () = story => {}
                    _ = stopped => {}
                }
            }),
        }
    }

    /// Sets the scene, says so, and goes on for as long as the scene lasts.
    async fn act(&self, tell: &impl Fn(Result<(), SandboxError>)) -> Result<(), SandboxError> {
        load::situation(&self.owner, self.scenario).await?;
        match self.scenario {
            Scenario::Clean | Scenario::FailingCheck | Scenario::DuplicateMessageIds => {
                tell(Ok(()));
            }
            Scenario::Blocked => {
                let report = sessions::NightlyReport::begin(&self.application).await?;
                tell(Ok(()));
                report.hold(&self.superuser, self.blocker_patience).await;
            }
            Scenario::Busy => {
                let application = sessions::Application::connect(&self.application).await?;
                tell(Ok(()));
                application.run().await;
            }
        }
        Ok(())
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, SandboxError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SandboxError::io("start the demo's runtime"))
}

fn died() -> SandboxError {
    SandboxError::Sql {
        doing: "set the scene".to_owned(),
        problem: "the demo's thread ended unexpectedly".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::Scenario;

    #[test]
    fn each_scenario_has_its_name_and_a_line_about_it() {
        let values: Vec<_> = Scenario::value_variants()
            .iter()
            .filter_map(clap::ValueEnum::to_possible_value)
            .collect();
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        let expected = [
            "clean",
            "failing-check",
            "duplicate-message-ids",
            "blocked",
            "busy",
        ];
        assert_eq!(names, expected);
        assert!(values.iter().all(|value| value.get_help().is_some()));
    }
}
