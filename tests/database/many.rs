//! A list of hosts: one is chosen, and from then on nobody else is watched, cancelled or asked.

use stagegate::database::session::{HoldOptions, Identity, Order, of_earlier_run};
use stagegate::database::settings::Settings;
use stagegate::facts::{Inquiry, Observation, Target, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer, Report};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use stagegate::walk::engine::HeldSession;
use stagegate::walk::live::Live;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::child::Finish;
use crate::ending::{Own, commit_without_its_answer, data_of};
use crate::proxy::Proxy;
use crate::stage::{Stage, psql, runbook, settings, within};
use crate::waiting::{commit_towards_nobody, demand_nobody};

/// Two servers that write down who knocks. From one template, so that nothing but their processes and
/// files tells them apart.
async fn two() -> [Own; 2] {
    let options = || {
        SandboxOptions {
            tcp: true,
            ..SandboxOptions::for_tests()
        }
        .with("log_connections", "on")
    };
    [Own::start(options()).await, Own::start(options()).await]
}

/// Both by their addresses alone, in this order.
fn list(ports: [u16; 2], more: &str) -> Settings {
    let [first, second] = ports;
    settings(&format!(
        "hostaddr=127.0.0.1,127.0.0.1 port={first},{second} user=postgres dbname=postgres {more}"
    ))
}

fn ports(servers: &[Own; 2]) -> [u16; 2] {
    servers.each_ref().map(|own| own.server().port())
}

fn chosen_one(servers: &[Own; 2], port: u16) -> &Sandbox {
    let own = servers.iter().find(|own| own.server().port() == port);
    own.unwrap().server()
}

/// How often somebody came to that server over the network.
fn knocks(server: &Sandbox) -> usize {
    let log = std::fs::read_to_string(server.log_path()).unwrap();
    log.matches("connection received: host=127.0.0.1").count()
}

/// A session on the second server of a list whose first was down then and is up now.
async fn on_the_second(servers: &mut [Own; 2], more: &str, statements: &[&str]) -> Stage {
    servers[0].crash().await;
    let settings = list(ports(servers), more);
    let mut stage = Stage::with(settings, runbook(statements), HoldOptions::default());
    assert_eq!(stage.connect().await.port, servers[1].server().port());
    servers[0].restart().await;
    stage
}

async fn after_notices(stage: &mut Stage) -> Body {
    loop {
        match stage.next().await.body {
            Body::Noticed { .. } | Body::NumberDurable => {}
            body => return body,
        }
    }
}

async fn lost(stage: &mut Stage) {
    let body = after_notices(stage).await;
    assert!(matches!(body, Body::SessionEnded(_)), "{body:?}");
}

/// What the server says in the end; it may need a moment to notice that we are gone.
async fn inquire(stage: &mut Stage) -> Inquiry {
    loop {
        match stage.ask(Order::Inquire).await {
            Body::Asked(Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            }) => {}
            Body::Asked(inquiry) => return inquiry,
            other => panic!("{other:?}"),
        }
    }
}

#[track_caller]
fn aborted(inquiry: &Inquiry) {
    assert!(
        matches!(
            inquiry,
            Inquiry::Answered {
                status: XactStatus::Aborted,
                ..
            }
        ),
        "{inquiry:?}"
    );
}

#[tokio::test]
async fn whichever_chance_chose_is_the_one_that_is_cancelled_and_asked() {
    let servers = two().await;
    let mut chosen = std::collections::BTreeSet::new();
    // Where each is as likely as the other, none of sixteen questions goes astray by luck.
    for _ in 0..16 {
        let settings = list(ports(&servers), "load_balance_hosts=random");
        let book = runbook(&["CREATE TABLE t (i int)", "SELECT pg_sleep(3600)"]);
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        let target = stage.connect().await;
        chosen.insert(target.port);
        let other = servers
            .iter()
            .find(|own| own.server().port() != target.port)
            .unwrap();
        let before = knocks(other.server());
        stage.begin().await;
        stage.order(Order::RunScript);
        let admin = psql(chosen_one(&servers, target.port), "postgres").await;
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        within("the second statement runs", async {
            while admin.query_one(sleeps, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        })
        .await;
        stage.session.cancel();
        let body = stage.all().await.pop().unwrap();
        let Body::StatementFailed { error, .. } = &body else {
            panic!("{body:?}");
        };
        assert_eq!(error.sqlstate.as_deref(), Some("57014"));
        stage.session.sever();
        lost(&mut stage).await;
        aborted(&inquire(&mut stage).await);
        // A walk after that is one on the same server.
        assert_eq!(stage.connect().await.started, target.started);
        assert_eq!(knocks(other.server()), before, "nobody knocks next door");
    }
    assert_eq!(chosen.len(), 2, "chance chose one server sixteen times");
}

/// The session and its monitor as a walk has them.
async fn live(
    settings: Settings,
) -> (
    Live,
    UnboundedReceiver<Report>,
    UnboundedReceiver<Observation>,
) {
    let book = runbook(&["CREATE TABLE t (i int)"]);
    Live::start(book.into(), settings, HoldOptions::default())
}

#[tokio::test]
async fn the_monitor_watches_the_server_that_was_reached_though_the_first_is_back() {
    let mut servers = two().await;
    servers[0].crash().await;
    let (live, mut reports, mut seen) = live(list(ports(&servers), "")).await;
    // The monitor begins when it is told that there is a session: late enough for the first to be back.
    live.order(1, Order::Connect);
    let target = within("the session is there", async {
        loop {
            if let Body::Connected(target) = reports.recv().await.unwrap().body {
                return target;
            }
        }
    })
    .await;
    assert_eq!(target.port, servers[1].server().port());
    servers[0].restart().await;
    // Its first link is ended, so that it has to find its way once more.
    let admin = psql(servers[1].server(), "postgres").await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'stagegate monitor'";
    within("the monitor is there and is ended", async {
        while admin.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    within("it is blind, and sees again", async {
        let mut blind = false;
        loop {
            match seen.recv().await.unwrap() {
                Observation::Blind(_) => blind = true,
                Observation::Seen(_) if blind => return,
                Observation::Seen(_) | Observation::Logged(_) => {}
            }
        }
    })
    .await;
    assert_eq!(knocks(servers[0].server()), 0, "nobody watches next door");
}

#[tokio::test]
async fn a_monitor_that_meets_another_server_at_the_address_says_so_and_shows_nothing() {
    let servers = two().await;
    let [first, second] = servers
        .each_ref()
        .map(|own| own.server().tcp_address().unwrap());
    let proxy = Proxy::to(first).await;
    let port = proxy.address.port();
    let way = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let (live, mut reports, mut seen) = live(settings(&way)).await;
    live.order(1, Order::Connect);
    within("the session is there", async {
        while !matches!(reports.recv().await.unwrap().body, Body::Connected(_)) {}
    })
    .await;
    within("a look", async {
        while !matches!(seen.recv().await.unwrap(), Observation::Seen(_)) {}
    })
    .await;
    proxy.redirect(second);
    proxy.cut();
    let why = within("it is blind at another server", async {
        loop {
            match seen.recv().await.unwrap() {
                Observation::Blind(why) if why.contains("another server") => return why,
                _ => {}
            }
        }
    })
    .await;
    assert!(why.contains("than the one that was reached first"), "{why}");
    // Nothing is shown of it either.
    within("it stays blind", async {
        loop {
            match seen.recv().await.unwrap() {
                Observation::Seen(sight) => panic!("{sight:?}"),
                Observation::Blind(_) => return,
                Observation::Logged(_) => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_commit_waits_for_is_asked_of_the_server_that_it_was_sent_to() {
    let mut servers = two().await;
    demand_nobody(servers[1].server()).await;
    let mut stage = on_the_second(&mut servers, "", &["CREATE TABLE t (i int)"]).await;
    commit_towards_nobody(&mut stage).await;
    stage.session.cancel();
    let answer = after_notices(&mut stage).await;
    assert!(
        matches!(answer, Body::CommitAnswered(CommitAnswer::Local { .. })),
        "{answer:?}"
    );
    assert_eq!(knocks(servers[0].server()), 0);
}

#[tokio::test]
async fn a_commit_whose_link_is_cut_is_asked_of_the_right_server_alone() {
    let servers = two().await;
    let [first, second] = servers
        .each_ref()
        .map(|own| own.server().tcp_address().unwrap());
    // The way to the second is behind the first in the list; the first is reachable only later.
    let mut proxy = Proxy::to(second).await;
    let mut stage = {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let settings = list([port, proxy.address.port()], "connect_timeout=5");
        let book = runbook(&["CREATE TABLE t (i int)"]);
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        stage.connect().await;
        let door = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = door.accept().await {
                let mut far = tokio::net::TcpStream::connect(first).await.unwrap();
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        stage
    };
    let (xid, _) = stage.apply().await;
    let there = psql(servers[1].server(), "postgres").await;
    commit_without_its_answer(&mut stage, &mut proxy, &there, &xid).await;
    let inquiry = inquire(&mut stage).await;
    assert!(
        matches!(
            inquiry,
            Inquiry::Answered {
                status: XactStatus::Committed,
                ..
            }
        ),
        "{inquiry:?}"
    );
    assert_eq!(knocks(servers[0].server()), 0, "the first is not asked");
}

#[tokio::test]
async fn while_the_right_server_is_down_no_other_answers_for_it() {
    let mut servers = two().await;
    let mut stage = on_the_second(&mut servers, "", &["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    servers[1].crash().await;
    lost(&mut stage).await;
    let inquiry = inquire(&mut stage).await;
    let Inquiry::Unreachable(why) = &inquiry else {
        panic!("{inquiry:?}");
    };
    assert!(why.contains("connection refused"), "{why}");
    let Body::ConnectFailed(why) = stage.ask(Order::Connect).await else {
        panic!("the first server was taken for the second");
    };
    let hint = why.hint.unwrap();
    assert!(
        hint.contains("no other host of the list is asked"),
        "{hint}"
    );
    assert_eq!(knocks(servers[0].server()), 0);
    servers[1].restart().await;
    assert_eq!(stage.connect().await.port, servers[1].server().port());
}

/// A run of an earlier program is looked for among all that a list names.
#[tokio::test]
async fn the_server_of_an_earlier_run_is_found_in_a_list_wherever_it_stands() {
    let servers = two().await;
    for here in [0, 1] {
        let own = servers[here].server();
        let way = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres",
            own.port()
        );
        let mut stage = Stage::with(
            settings(&way),
            runbook(&[&format!("CREATE TABLE t{here} (i int)")]),
            HoldOptions::default(),
        );
        let target: Target = stage.connect().await;
        let (xid, _) = stage.apply().await;
        let committed = stage.commit(&xid).await;
        assert!(
            matches!(committed, CommitAnswer::Tag { .. }),
            "{committed:?}"
        );
        for more in [
            "",
            "load_balance_hosts=random",
            "target_session_attrs=standby",
        ] {
            let settings = list(ports(&servers), more);
            let inquiry = of_earlier_run(&settings, &Identity::of(&target), &xid, false).await;
            assert!(
                matches!(
                    inquiry,
                    Inquiry::Answered {
                        status: XactStatus::Committed,
                        ..
                    }
                ),
                "{here} {more}: {inquiry:?}"
            );
        }
    }
}

/// Has a server that is stopped come up as a standby.
fn make_standby(data: &std::path::Path) {
    // Of the same owner as the rest, whoever that is.
    let said = std::process::Command::new("cp")
        .arg("-a")
        .args([data.join("PG_VERSION"), data.join("standby.signal")])
        .finish("cp");
    assert!(said.status.success());
}

/// A standby of `primary`, in place of the cluster that `place` had.
async fn follow(primary: &mut Own, place: &mut Own) {
    let (from, to) = (data_of(primary.server()), data_of(place.server()));
    let socket = primary.server().socket_dir().display().to_string();
    let port = primary.server().port();
    // In order, so that the copy is a whole one.
    primary.change(|s| s.stop_fast().unwrap()).await;
    place
        .change(move |s| {
            s.stop_fast().unwrap();
            std::fs::remove_dir_all(&to).unwrap();
            let copied = std::process::Command::new("cp")
                .arg("-a")
                .args([&from, &to])
                .finish("cp");
            assert!(copied.status.success());
            make_standby(&to);
            let auto = to.join("postgresql.auto.conf");
            let mut text = std::fs::read_to_string(&auto).unwrap();
            text.push_str(&format!(
                "primary_conninfo = 'host={socket} port={port} user=postgres'\n"
            ));
            std::fs::write(&auto, text).unwrap();
        })
        .await;
    primary.restart().await;
    place.restart().await;
}

#[tokio::test]
async fn a_standby_that_was_promoted_at_the_gate_answers_for_nobody() {
    let replicating = || {
        SandboxOptions {
            tcp: true,
            ..SandboxOptions::for_tests()
        }
        .with("wal_level", "replica")
        .with("max_wal_senders", "4")
        .with("hot_standby", "on")
    };
    let mut primary = Own::start(replicating()).await;
    let mut standby = Own::start(replicating()).await;
    follow(&mut primary, &mut standby).await;
    let attributes = "target_session_attrs=read-write";
    let servers = [standby, primary];
    let settings = list(ports(&servers), attributes);
    let [standby, mut primary] = servers;
    // And by an address that moves along with the role of primary.
    let moving = Proxy::to(primary.server().tcp_address().unwrap()).await;
    let port = moving.address.port();
    let moved = crate::stage::settings(&format!(
        "host=127.0.0.1 port={port} user=postgres dbname=postgres {attributes}"
    ));
    let start = |settings, table: &str| {
        let book = runbook(&[&format!("CREATE TABLE {table} (i int)")]);
        Stage::with(settings, book, HoldOptions::default())
    };
    let (mut listed, mut moved) = (start(settings, "listed"), start(moved, "moved"));
    for stage in [&mut listed, &mut moved] {
        let target = stage.connect().await;
        assert!(!target.in_recovery);
    }
    let (xid, _) = listed.apply().await;
    moved.apply().await;
    let there = psql(standby.server(), "postgres").await;
    primary.crash().await;
    let promoted = there.query_one("SELECT pg_promote()", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    moving.redirect(standby.server().tcp_address().unwrap());
    moving.cut();
    lost(&mut listed).await;
    lost(&mut moved).await;
    // COMMIT after that is not sent to anybody.
    let answer = listed.commit(&xid).await;
    let CommitAnswer::LinkLost(why) = answer else {
        panic!("{answer:?}");
    };
    assert!(
        why.message.contains("COMMIT was not sent"),
        "{}",
        why.message
    );
    let inquiry = inquire(&mut listed).await;
    assert!(matches!(inquiry, Inquiry::Unreachable(_)), "{inquiry:?}");
    let inquiry = inquire(&mut moved).await;
    assert!(
        matches!(&inquiry, Inquiry::OtherServer(why) if why.contains("a standby was promoted")),
        "{inquiry:?}"
    );
    // The one who knows is asked when it is back.
    primary.restart().await;
    aborted(&inquire(&mut listed).await);
}

/// As after a fail-over and back, where the first server was wound back in place: its files are those of
/// then, and only the timeline tells that the numbers given out since may be other people's.
#[tokio::test]
async fn the_same_files_on_another_timeline_answer_for_nobody() {
    let mut own = Own::start(SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    })
    .await;
    let mut proxy = Proxy::to(own.server().tcp_address().unwrap()).await;
    let port = proxy.address.port();
    let settings = settings(&format!(
        "host=127.0.0.1 port={port} user=postgres dbname=postgres"
    ));
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    let target: Target = stage.connect().await;
    let (xid, _) = stage.apply().await;
    let other = psql(own.server(), "postgres").await;
    commit_without_its_answer(&mut stage, &mut proxy, &other, &xid).await;
    drop(other);
    let data = data_of(own.server());
    own.change(move |server| {
        server.stop_fast().unwrap();
        make_standby(&data);
        server.restart().unwrap();
    })
    .await;
    let there = psql(own.server(), "postgres").await;
    let promoted = there.query_one("SELECT pg_promote()", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    let now = format!("SELECT pg_xact_status('{xid}')");
    let said = there.query_one(&now, &[]).await.unwrap();
    assert_eq!(said.get::<_, &str>(0), "committed", "so it would be told");
    for inquiry in [
        inquire(&mut stage).await,
        of_earlier_run(
            &crate::stage::over_socket(own.server(), "postgres"),
            &Identity::of(&target),
            &xid,
            false,
        )
        .await,
    ] {
        assert!(
            matches!(&inquiry, Inquiry::OtherServer(why) if why.contains("opened on timeline 1")),
            "{inquiry:?}"
        );
    }
}
