//! How long an application waits while a person reads, by the way in which it is decided: a measurement,
//! run by hand. It asserts nothing of times, because machines differ.

use crate::stage::{Stage, Walk};
use crate::unheld::{approve, take_time};
use stagegate::sandbox::demo::Scenario;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the application does again and again.
const WORK: &str = "UPDATE service_ops.packet_decision SET packet_id = packet_id
    WHERE packet_decision_id = 7";

/// How long the person reads.
const READING: Duration = Duration::from_secs(15);

#[test]
#[ignore = "a measurement, of a minute: --ignored --nocapture"]
fn an_application_waits_as_long_as_this() {
    for way in ["held", "take time", "unheld"] {
        println!("{way}: {}", longest_waits(way).join(", "));
    }
}

/// Walks to COMMIT in this way; the application's longest wait in each pass, in words.
fn longest_waits(way: &str) -> Vec<String> {
    let stage = Stage::set(Scenario::Busy);
    let arguments: &[&str] = match way {
        "unheld" => &["--decide", "unheld"],
        _ => &[],
    };
    let mut terminal = stage.run_in(120, 50, &[], arguments);
    terminal.sign_everything();
    let (longest, over) = (Mutex::new(Duration::ZERO), AtomicBool::new(false));
    let mut told = Vec::new();
    let mut tell = |pass: &str| {
        let longest = std::mem::take(&mut *longest.lock().unwrap());
        told.push(format!("{pass} {} ms", longest.as_millis()));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let began = Instant::now();
                stage.ask(WORK);
                let mut longest = longest.lock().unwrap();
                *longest = began.elapsed().max(*longest);
            }
        });
        terminal.key("a").wait_for_the_gate();
        if way == "take time" {
            take_time(&mut terminal);
        }
        std::thread::sleep(READING);
        if way != "held" {
            tell("first pass");
            terminal.key("v").wait_for("MAY DIFFER").wait_for_the_gate();
        }
        approve(&mut terminal).wait_for("C O M M I T T E D");
        // The wait that COMMIT ended is over once the application has done its work.
        stage.ask(WORK);
        std::thread::sleep(Duration::from_secs(1));
        over.store(true, Ordering::SeqCst);
    });
    tell("to COMMIT");
    terminal.key("q").exit_code();
    told
}
