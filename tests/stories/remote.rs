//! The walk as most people take it: over ssh, through a real sshd on loopback, and in tmux there.

use crate::aloud::skip;
use crate::child::{Finish, until};
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// sshd refuses to be started by a name alone.
const SSHD: &str = "/usr/sbin/sshd";

/// Where root's sshd locks up the part of it that speaks to strangers.
const LOCKED_ROOM: &str = "/run/sshd";

/// An sshd of this test's own, that lets in whoever runs the test, by a key of the test's own.
struct Sshd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    made_room: bool,
}

impl Sshd {
    /// Starts it, or says what is missing.
    fn start() -> Option<Sshd> {
        let missing =
            [("ssh", "-V"), ("tmux", "-V"), (SSHD, "-?")]
                .iter()
                .find(|(program, asked)| {
                    let asking = Command::new(program)
                        .arg(asked)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .spawn();
                    asking.map(|child| child.finish(program)).is_err()
                });
        if let Some((program, _)) = missing {
            skip(&format!("there is no {program} here"));
            return None;
        }
        let made_room = geteuid().is_root() && std::fs::create_dir(LOCKED_ROOM).is_ok();
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "ours"] {
            let key = folder.path().join(name);
            let mut keygen = Command::new("ssh-keygen");
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key);
            assert!(keygen.finish("ssh-keygen").status.success());
        }
        std::fs::copy(folder.path().join("ours.pub"), folder.path().join("known")).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let place = folder.path().display();
        let settings = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {place}/host\nPidFile none\n\
             AuthorizedKeysFile {place}/known\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        let file = folder.path().join("sshd_config");
        std::fs::write(&file, settings).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sshd = Sshd {
            child,
            port,
            folder,
            made_room,
        };
        until("sshd listens, or has ended", || {
            let ended = sshd.child.try_wait().unwrap().is_some();
            (ended || sshd.log().contains("Server listening")).then_some(())
        });
        assert!(sshd.child.try_wait().unwrap().is_none(), "{}", sshd.log());
        if let Some(why) = sshd.refused() {
            skip(&format!("this user is not let in by an sshd here: {why}"));
            return None;
        }
        Some(sshd)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The client's words, up to the command that the other side is to run.
    fn words(&self) -> Vec<String> {
        let key = self.folder.path().join("ours").display().to_string();
        let port = self.port.to_string();
        let place = self.folder.path().display();
        let known = format!("UserKnownHostsFile={place}/hosts");
        let words = [
            "-F",
            "none",
            "-tt",
            "-q",
            "-i",
            &key,
            "-p",
            &port,
            "-o",
            &known,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "IdentityAgent=none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "127.0.0.1",
        ];
        words.map(str::to_owned).to_vec()
    }

    /// Why an account that is locked, or has no shell, is not let in.
    fn refused(&self) -> Option<String> {
        let mut ssh = Command::new("ssh");
        ssh.args(self.words()).arg("echo in");
        let said = ssh.finish("ssh");
        let is_in = String::from_utf8_lossy(&said.stdout).contains("in");
        (!is_in).then(|| self.log())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.made_room {
            let _ = std::fs::remove_dir(LOCKED_ROOM);
        }
    }
}

/// A tmux server of the test's own.
struct Tmux(PathBuf);

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut over = Command::new("tmux");
        over.arg("-S").arg(&self.0).arg("kill-server");
        let _ = over.finish("tmux");
    }
}

impl Sshd {
    /// A walk on that stage over ssh, perhaps in tmux on the other side. `folder` is the person's home.
    fn open(&self, stage: &Stage, folder: &Path, tmux: Option<&Tmux>) -> Terminal {
        let command = write_command(stage, folder).display().to_string();
        let mut words = self.words();
        words.push(match tmux {
            None => command,
            Some(Tmux(socket)) => format!(
                "LANG=C.UTF-8 exec tmux -u -f /dev/null -S '{}' new-session '{command}'",
                socket.display()
            ),
        });
        let env = [("HOME", folder.as_os_str())];
        Terminal::spawn_by(80, 24, &env, "ssh", &words)
    }
}

/// Writes what the other side runs: the program on that stage, and its exit code into a file.
fn write_command(stage: &Stage, folder: &Path) -> PathBuf {
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''"));
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in stage.env(&[]) {
        script += &format!("export {name}={}\n", quoted(&value));
    }
    script += "unset NO_COLOR LC_ALL\nexport LANG=C.UTF-8\n";
    script += &quoted(OsStr::new(PROGRAM));
    for argument in stage.arguments(&[]) {
        script += " ";
        script += &quoted(OsStr::new(&argument));
    }
    script += &format!("\necho $? > {}\n", quoted(folder.join("code").as_os_str()));
    let path = folder.join("command");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn over_ssh_and_in_tmux_there_both_decisions_hold() {
    let Some(sshd) = Sshd::start() else { return };
    for in_tmux in [false, true] {
        for commits in [false, true] {
            let stage = Stage::set(Scenario::Clean);
            let folder = tempfile::tempdir().unwrap();
            let tmux = in_tmux.then(|| Tmux(folder.path().join("tmux")));
            let mut terminal = sshd.open(&stage, folder.path(), tmux.as_ref());
            terminal.walk_to_the_gate().shows(&["TRANSACTION OPEN"]);
            match commits {
                true => terminal.commit().key("q"),
                false => terminal.roll_back().key("q"),
            };
            assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
            let code = std::fs::read_to_string(folder.path().join("code")).unwrap();
            match commits {
                true => {
                    assert_eq!(code, "0\n");
                    stage.assert_migrated();
                    stage.assert_journal(&["COMMITTED"], 0);
                }
                false => {
                    assert_eq!(code, "1\n");
                    stage.assert_untouched();
                    stage.assert_journal(&["ROLLED BACK"], 1);
                }
            }
            stage.assert_nobody_left();
            let journal = stage.journal();
            let Some(Entry::Opened(opened)) = journal.first() else {
                panic!("{journal:?}");
            };
            let came = opened.ssh_connection.as_deref().unwrap_or_default();
            assert!(
                came.ends_with(&format!(" 127.0.0.1 {}", sshd.port)),
                "{came}"
            );
        }
    }
}

#[test]
fn a_connection_that_is_cut_at_the_gate_rolls_back() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::set(Scenario::Clean);
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = sshd.open(&stage, folder.path(), None);
    terminal.walk_to_the_gate();
    let ssh = i32::try_from(terminal.process_id()).unwrap();
    kill_process(Pid::from_raw(ssh).unwrap(), Signal::KILL).unwrap();
    // The program is hung up on: it tells nobody, and leaves nothing.
    stage.assert_nobody_left();
    stage.assert_untouched();
    until("the program ends its journal", || {
        let last = stage.journal().pop();
        matches!(last, Some(Entry::Left { .. })).then_some(())
    });
    stage.assert_journal(&["ROLLED BACK"], 129);
}
