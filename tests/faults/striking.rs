//! One run: a walk, a fault at a chosen moment, and what was said against what is.

use std::path::Path;
use std::time::Duration;

use stagegate::database::session::{HoldOptions, Identity, of_earlier_run};
use stagegate::facts::{Inquiry, XactStatus};
use stagegate::journal::chain;
use stagegate::journal::replay::Replay;

use crate::dice::Dice;
use crate::ground::{DATABASE, Ground, settings};
use crate::proxy::{Act, At, Proxy, Side, Strike};
use crate::tally::Run;
use crate::walking::{Decision, Said, Walk};

/// What happens to the link or the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The link itself: cut, reset, half cut, answer swallowed.
    Link(Act),
    /// `pg_terminate_backend`.
    Terminated,
    /// `pg_cancel_backend`: whatever runs just then, our own questions included.
    Cancelled,
    /// An `immediate` stop, and a start after that time.
    Crash { down: Duration, busy: bool },
    /// Nothing gets through for that time, or, without one, until the run is over.
    BlackHole(Option<Duration>),
    /// The link is cut, and COMMIT still arrives that much later.
    Late(Duration),
    /// Every message takes this much longer.
    Slow(Duration),
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Link(Act::Cut) => "link cut",
            Fault::Link(Act::Reset) => "link reset",
            Fault::Link(Act::CutClient) => "link cut, server does not notice",
            Fault::Link(Act::Swallow) => "answers dropped, then link cut",
            Fault::Link(_) => "nothing",
            Fault::Terminated => "backend terminated",
            Fault::Cancelled => "statement cancelled by somebody",
            Fault::Crash { .. } => "server stopped (immediate), restarted",
            Fault::BlackHole(_) => "black hole (link frozen)",
            Fault::Late(_) => "link cut, COMMIT arrives later",
            Fault::Slow(_) => "slow link",
        }
    }

    /// Whether the server may not be there, or not be able to tell, when it is asked.
    fn excuse(self, why: &Inquiry) -> Option<&'static str> {
        match (self, why) {
            (Fault::BlackHole(_), Inquiry::Unreachable(_)) => {
                Some("nothing got through to the server while it was asked")
            }
            (Fault::Crash { .. }, Inquiry::Unreachable(_)) => {
                Some("the server was down while it was asked")
            }
            (Fault::Crash { .. }, Inquiry::Unknowable(text)) if text.contains("crashed since") => {
                Some("the server crashed before the transaction's number was known to be on disk")
            }
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub at: At,
    pub side: Side,
    /// The message waits for the fault; otherwise they race.
    pub held: bool,
    /// The fault comes this much later.
    pub after: Duration,
}

impl Moment {
    pub fn exactly(at: At, side: Side) -> Moment {
        Moment {
            at,
            side,
            held: true,
            after: Duration::ZERO,
        }
    }

    /// Any moment of a walk, most of them around COMMIT.
    pub fn draw(dice: &mut Dice) -> Moment {
        let at = match dice.of(0..100) {
            0..25 => At::Commit,
            25..65 => At::Answer(usize::try_from(dice.of(1..9)).unwrap()),
            65..80 => At::Up(usize::try_from(dice.of(1..17)).unwrap()),
            _ => At::Down(usize::try_from(dice.of(1..90)).unwrap()),
        };
        Moment {
            at,
            side: if dice.percent(50) {
                Side::Before
            } else {
                Side::After
            },
            held: dice.percent(60),
            after: match dice.percent(50) {
                true => Duration::ZERO,
                false => dice.up_to(Duration::from_millis(3)),
            },
        }
    }
}

/// How long the session waits before it gives up on an answer here: shorter than a person's walk
/// would, so that many runs fit into a minute.
pub const SHORT: Duration = Duration::from_millis(700);

/// The latest that a COMMIT arrives which was held up.
pub const LATEST: Duration = Duration::from_millis(2_500);

pub async fn run(
    ground: &Ground,
    folder: &Path,
    fault: Fault,
    moment: Moment,
    decision: Decision,
    seed: String,
) -> Run {
    let table = ground.table().await;
    let act = match fault {
        Fault::Link(act) => act,
        Fault::Slow(_) => Act::Tell,
        _ if moment.held => Act::Hold,
        _ => Act::Tell,
    };
    let strike = match fault {
        Fault::Late(_) => Strike {
            at: At::Commit,
            side: Side::Before,
            act: Act::Late,
        },
        _ => Strike {
            at: moment.at,
            side: moment.side,
            act,
        },
    };
    let proxy = Proxy::striking(ground.address(), strike).await;
    if let Fault::Slow(each) = fault {
        proxy.delay(each);
    }
    let mut settings_of_run = settings(proxy.address);
    settings_of_run.connect_timeout = SHORT;
    let walk = Walk {
        options: HoldOptions {
            answer_timeout: u64::try_from(SHORT.as_millis()).unwrap(),
            ..HoldOptions::default()
        },
        // Half of what comes late comes before that.
        let_be: match fault {
            Fault::Late(_) => LATEST / 2,
            _ => Duration::ZERO,
        },
        ..Walk::of(&table, settings_of_run, decision, folder)
    };
    let journal = walk.journal.clone();
    let bystander = match fault {
        Fault::Crash { busy: true, .. } => Some(bystander(ground).await),
        _ => None,
    };
    let mut walking = tokio::spawn(walk.go());
    let early = tokio::select! {
        said = &mut walking => Some(said.unwrap()),
        () = proxy.struck() => None,
    };
    if early.is_none() {
        tokio::time::sleep(moment.after).await;
        strike_now(ground, &proxy, fault).await;
    }
    let said = match early {
        Some(said) => said,
        None => walking.await.unwrap(),
    };
    if let Some(bystander) = bystander {
        bystander.abort();
    }
    // The end of every fault: what is still under way comes to its own end.
    drop(proxy);
    let client = ground.client(DATABASE).await;
    if let Said::Committed(_) = said {
        assert!(
            table.is_altered_as_seen_by(&client).await,
            "said COMMITTED before it was: {seed}"
        );
    }
    let free = table
        .wait_until_free(&client, Duration::from_secs(40))
        .await;
    assert!(free.is_some(), "still held: {seed} {said:?}");
    let altered = table.is_altered_as_seen_by(&client).await;
    // The server is asked once more whatever was said, and past what the journal says of the end.
    let later = match &said {
        Said::NotConnected | Said::Refused(_) | Said::Nothing(_) => None,
        _ => Some(told_by_journal(&journal, ground).await),
    };
    let excuse = match &said {
        Said::Unknown(why) => fault.excuse(why),
        _ => None,
    };
    let run = Run {
        fault: match (fault, decision) {
            (Fault::Link(Act::Cut), Decision::TakeTime) => "link cut, decided with nothing held",
            (fault, _) => fault.name(),
        },
        seed: format!("{seed} {fault:?} {moment:?} {decision:?}"),
        said,
        altered,
        excuse,
        later,
    };
    let drop_table = format!("DROP TABLE {}", table.name);
    client.batch_execute(&drop_table).await.unwrap();
    run
}

async fn strike_now(ground: &Ground, proxy: &Proxy, fault: Fault) {
    match fault {
        Fault::Link(_) | Fault::Slow(_) => {}
        Fault::Late(long) => {
            tokio::time::sleep(long).await;
            proxy.release();
        }
        Fault::Terminated | Fault::Cancelled => {
            let function = match fault {
                Fault::Cancelled => "pg_cancel_backend",
                _ => "pg_terminate_backend",
            };
            let client = ground.client(DATABASE).await;
            let pid = proxy.counted().pid;
            let sql = format!("SELECT {function}($1)");
            client.execute(&sql, &[&pid]).await.unwrap();
            proxy.release();
        }
        Fault::Crash { down, .. } => {
            ground
                .to_server(|server| server.stop_immediate().unwrap())
                .await;
            proxy.release();
            tokio::time::sleep(down).await;
            ground.to_server(|server| server.restart().unwrap()).await;
        }
        Fault::BlackHole(long) => {
            proxy.freeze();
            proxy.release();
            if let Some(long) = long {
                tokio::time::sleep(long).await;
                proxy.thaw();
            }
        }
    }
}

/// Somebody else who commits all the time, as on a server in use.
async fn bystander(ground: &Ground) -> tokio::task::JoinHandle<()> {
    let client = ground.client(DATABASE).await;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS bystander (at timestamptz)")
        .await
        .unwrap();
    tokio::spawn(async move {
        let write = "INSERT INTO bystander VALUES (now())";
        while client.batch_execute(write).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

/// What the server says afterwards of the transaction in that journal.
pub async fn told_by_journal(journal: &Path, ground: &Ground) -> Said {
    let text = std::fs::read_to_string(journal).unwrap();
    let (lines, _) = chain::read_chain(&text);
    let replay = Replay::of(lines);
    let (Some(xid), Some(target)) = (replay.xid(), replay.target.as_ref()) else {
        return Said::RolledBack("no transaction was begun".into());
    };
    let settings = settings(ground.address());
    let inquiry = of_earlier_run(&settings, &Identity::of(target), xid, true).await;
    match inquiry {
        Inquiry::Answered {
            status: XactStatus::Committed,
            server,
        } => Said::Committed(server),
        Inquiry::Answered {
            status: XactStatus::Aborted,
            server,
        } => Said::RolledBack(server),
        other => Said::Unknown(other),
    }
}
