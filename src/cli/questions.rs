//! Questions of the commands that go by lines and read nothing else: put at the terminal, answered there.

use super::failure::Failure;
use crate::asking::{Challenge, open_desk};
use crate::database::settings::Settings;
use crate::headless::{EchoOff, write_prompt, write_to_terminal};
use color_eyre::eyre::eyre;
use rustix::process::{Signal, getpid, kill_process};
use std::io::IsTerminal;
use tokio::sync::mpsc::UnboundedReceiver;
use zeroize::Zeroizing;

/// Whether a person can be asked, and may be.
pub(super) fn may_ask(settings: &Settings) -> Result<bool, Failure> {
    let terminal = std::io::stdin().is_terminal();
    if settings.ask_password && !terminal {
        return Err(Failure::usage(eyre!(
            "-W asks for the password, and standard input is no terminal, so nobody can be asked; \
             nothing was sent. Put it into ~/.pgpass or PGPASSWORD"
        )));
    }
    Ok(terminal && !settings.never_ask_password)
}

/// Opens a desk for `settings` where a person may be asked; its other end is closed where not.
pub(super) fn seat_at_desk(
    settings: &mut Settings,
) -> Result<UnboundedReceiver<Challenge>, Failure> {
    let (desk, questions) = open_desk();
    settings.desk = may_ask(settings)?.then_some(desk);
    Ok(questions)
}

/// Does `work` with settings for which a person is asked at the terminal.
pub(super) async fn attended<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(Settings) -> T,
) -> Result<T, Failure> {
    let mut settings = settings.clone();
    let mut questions = seat_at_desk(&mut settings)?;
    let working = work(settings);
    let mut working = std::pin::pin!(working);
    loop {
        tokio::select! {
            biased;
            Some(question) = questions.recv() => ask_at_terminal(&question),
            done = &mut working => return Ok(done),
        }
    }
}

/// Asks, and waits: whoever works on waits for the answer as well.
fn ask_at_terminal(question: &Challenge) {
    let Some(unseen) = EchoOff::begin(true) else {
        return question.decline();
    };
    write_prompt(question);
    let typed = read_unseen();
    drop(unseen);
    write_to_terminal("\n");
    match typed {
        Keyed::Done(secret) if secret.is_empty() => question.decline(),
        Keyed::Done(secret) => question.answer(secret),
        Keyed::Ended => question.decline(),
        Keyed::Interrupted => {
            question.decline();
            // As the terminal would have done it, had it not been kept from it.
            let _ = kill_process(getpid(), Signal::INT);
        }
    }
}

enum Keyed {
    Done(Zeroizing<String>),
    Ended,
    Interrupted,
}

/// Reads keys up to Enter. Nothing of them is shown, so they can be taken back only from the end.
fn read_unseen() -> Keyed {
    const LONGEST: usize = 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut key = Zeroizing::new([0_u8; 1]);
    loop {
        match rustix::io::read(rustix::stdio::stdin(), key.as_mut_slice()) {
            Ok(0) => return Keyed::Ended,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return Keyed::Ended,
        }
        match key[0] {
            b'\r' | b'\n' => {
                let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
                return Keyed::Done(text);
            }
            3 => return Keyed::Interrupted,
            4 if bytes.is_empty() => return Keyed::Ended,
            8 | 127 => {
                // A character, not a byte.
                while bytes.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            21 => bytes.clear(),
            byte if byte >= b' ' && bytes.len() < LONGEST => bytes.push(byte),
            _ => {}
        }
    }
}
