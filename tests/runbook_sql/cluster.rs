//! One PostgreSQL for all tests of this file, and a database of its own for each of them.
//!
//! The server belongs to a shell that waits on a pipe from us: however the test program ends, the
//! pipe closes, and the shell stops the server and removes its directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

/// `$1` is the directory of the server programs, `$2` the directory of the cluster.
const KEEPER: &str = r#"
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 || { cat "$2/log" >&2; exit 1; }
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c autovacuum=off -c fsync=off >"$2/log" 2>&1 &
server=$!
echo started
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

/// A running server.
pub struct Cluster {
    sockets: PathBuf,
    /// Its standard input is what keeps the server alive.
    _keeper: Child,
}

/// The one server of this test program, started on first use.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    fn start() -> Cluster {
        let home = tempfile::Builder::new()
            .prefix("sql")
            .tempdir()
            .unwrap()
            .keep();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();

        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER, "sh"])
            .arg(programs())
            .arg(&home)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // initdb refuses root.
        if std::fs::metadata(&home).unwrap().uid() == 0 {
            let (uid, gid) = (id("-u"), id("-g"));
            std::os::unix::fs::chown(&home, Some(uid), Some(gid)).unwrap();
            command.uid(uid).gid(gid);
        }
        let mut keeper = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "started\n", "initdb failed; its words are above");

        // Line 8 of the pid file says `ready` once the server takes connections.
        let pid_file = home.join("data/postmaster.pid");
        while !std::fs::read_to_string(&pid_file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|l| l.trim() == "ready"))
        {
            assert!(
                keeper.try_wait().unwrap().is_none(),
                "the server did not start; see {}",
                home.join("log").display()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Cluster {
            sockets: home,
            _keeper: keeper,
        }
    }

    /// A new connection, as superuser.
    pub async fn connect(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(&self.sockets)
            .user("postgres")
            .dbname(database)
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database made from `template`.
    pub async fn database(&self, template: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres")
            .await
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .unwrap();
        name
    }

    /// `psql` on one of its databases.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-U", "postgres", "-d", database, "-h"])
            .arg(&self.sockets);
        command
    }
}

/// Where the server programs are: `STAGEGATE_PG_BIN`, then PATH, then the newest of Debian's folders.
fn programs() -> PathBuf {
    if let Some(chosen) = std::env::var_os("STAGEGATE_PG_BIN") {
        return chosen.into();
    }
    let on_path = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .find_map(|folder| folder.join("initdb").canonicalize().ok())
        .and_then(|initdb| initdb.parent().map(Path::to_path_buf))
        .filter(|folder| folder.join("postgres").exists());
    on_path
        .or_else(|| {
            let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
                .ok()?
                .filter_map(|entry| {
                    let path = entry.ok()?.path();
                    let version = path.file_name()?.to_str()?.parse().ok()?;
                    path.join("bin/initdb")
                        .exists()
                        .then(|| (version, path.join("bin")))
                })
                .collect();
            found.sort();
            Some(found.pop()?.1)
        })
        .expect("no initdb: install a PostgreSQL server or set STAGEGATE_PG_BIN")
}

/// The numeric user or group of `postgres`, else of `nobody`.
fn id(which: &str) -> u32 {
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let answer = Command::new("id").args([which, name]).output().ok()?;
            String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
        })
        .unwrap()
}
