//! The long run: everything, more often, and its table as a file.

use std::path::Path;
use std::time::Duration;

use crate::cutting::cut_everywhere;
use crate::dice::seed;
use crate::drawing::{self, draw};
use crate::ground::shared;
use crate::killing::{self, kill};
use crate::leaving::{self, lock_in};
use crate::locks::{Extent, Loss, longest, markdown, measure};
use crate::proxy::Act;
use crate::tally::Tally;

/// What writes the table.
const COMMAND: &str = "cargo test --release --test faults -- --ignored --nocapture";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes; it writes assets/faults.md"]
async fn the_table() {
    let seed = seed();
    let ground = shared().await;
    let mut tally = Tally::default();
    let kinds = [Act::Cut, Act::Reset, Act::CutClient];
    cut_everywhere(
        &ground,
        crate::walking::Decision::Commit,
        &kinds,
        1,
        &mut tally,
    )
    .await;
    cut_everywhere(
        &ground,
        crate::walking::Decision::TakeTime,
        &[Act::Cut],
        1,
        &mut tally,
    )
    .await;
    eprintln!("{} runs, every message cut", tally.runs());
    let share = drawing::Share {
        links: 160,
        terminated: 160,
        cancelled: 100,
        crashes: 120,
        black_holes: 120,
        late: 60,
        slow: 20,
        for_good: 10,
    };
    draw(seed, share, &mut tally).await;
    eprintln!("{} runs, link and server drawn", tally.runs());
    let share = killing::Share {
        kill: 120,
        hang_up: 40,
        terminate: 40,
        stop: 24,
    };
    kill(seed, share, &mut tally).await;
    eprintln!("{} runs, the program struck", tally.runs());
    let share = leaving::Share {
        prepared: 20,
        pasted: 12,
        copied: 20,
        standby: 20,
        frozen: 24,
    };
    lock_in(seed, share, &mut tally).await;
    eprintln!("{} runs, nobody locked in", tally.runs());
    let extent = Extent {
        quick: 20,
        slow: 6,
        dropped: 6,
        watch: Duration::from_secs(30),
        dead_man: None,
    };
    let (releases, skipped) = measure(extent).await;

    let mut text = format!(
        "<!-- Written by: {COMMAND} -->\n\n\
         ## What was said against what is\n\n\
         {} runs on PostgreSQL {} (seed {seed}), **{} wrong statements**. Each walks a script of two \
         DDL statements and a check to its decision while a fault strikes, most of them around \
         COMMIT; then the server is asked whether the column and the index are there. A cut was \
         made before and after every single message of a walk, in both directions, also of one that is \
         let go, approved and run a second time.\n\n{}\n\
         \"Told once more\": with the fault gone the server was asked for the transaction in the \
         run's journal, past what the journal says of its end, and told COMMITTED or ROLLED BACK; a \
         wrong one counts as wrong. After a crash of the server \"committed\" is believed only \
         where the journal has that the transaction's number was on disk; otherwise it says that it \
         cannot know. \"No session\": the fault struck before BEGIN.\n\n\
         ## How long locks stay when the client is lost\n\n\
         The same transaction at the same point, held by stagegate and by psql. The dead-man's \
         switch (15 s) counts from the end of the statement that runs; the statement itself is ended \
         by the server's own clock after twice the hold limit.\n\n{}",
        tally.runs(),
        ground.sandbox.version(),
        tally.wrong(),
        tally.markdown(),
        markdown(&releases, extent.watch),
    );
    for reason in skipped {
        text.push_str(&format!("\nSkipped: {reason}.\n"));
    }
    println!("{text}");
    tally.assert_nothing_wrong();
    assert!(tally.runs() >= 1_000, "{} runs", tally.runs());
    let at_once = longest(&releases, &[Loss::Kill, Loss::HangUp, Loss::Terminate]);
    assert!(at_once <= Some(Duration::from_secs(2)), "{at_once:?}");
    let in_time = longest(&releases, &[Loss::Stop, Loss::Freeze, Loss::Drop]);
    assert!(in_time <= Some(Duration::from_secs(20)), "{in_time:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/faults.md");
    std::fs::write(file, text).unwrap();
}
