//! Finds `initdb` and `postgres` on this machine, newest first.
//!
//! Debian keeps them out of PATH and puts a wrapper of another name there, so the usual folders
//! are searched as well. Nothing is ever downloaded.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use super::{SandboxError, environment};

mod clients;

pub use clients::Clients;

/// Names a folder that holds `initdb` and `postgres`; nothing else is searched when it is set.
pub const OVERRIDE_VARIABLE: &str = "STAGEGATE_PG_BIN";

/// The oldest major version that is used: `client_connection_check_interval` came with it.
pub const OLDEST_MAJOR: u32 = 14;

/// Where packages put the programs. `*` stands for any run of characters within one name.
const USUAL_FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",                      // Debian, Ubuntu
    "/usr/pgsql-*/bin",                               // the PostgreSQL project's RPMs
    "/usr/lib/postgresql*/bin",                       // SUSE
    "/usr/libexec/postgresql*",                       // Alpine
    "/opt/homebrew/opt/postgresql*/bin",              // Homebrew on Apple silicon
    "/usr/local/opt/postgresql*/bin",                 // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin", // Homebrew on Linux
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin", // built from source
];

/// A pair of server programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    /// The version as `postgres` tells it, such as `15.18` or `18beta1`.
    pub version: String,
    pub major: u32,
}

/// Where to look. [`Search::here`] is this machine; tests make others.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The folder named by [`OVERRIDE_VARIABLE`]; ends the search one way or the other.
    pub only: Option<PathBuf>,
    pub path: Option<OsString>,
    /// Folders, in which a name may hold `*`.
    pub folders: Vec<String>,
}

impl Programs {
    /// The newest programs on this machine. Searched once in a process.
    pub fn find() -> Result<Self, SandboxError> {
        static FOUND: OnceLock<Programs> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found.clone());
        }
        let newest = Search::here().newest()?;
        Ok(FOUND.get_or_init(|| newest).clone())
    }
}

impl Search {
    /// This machine, with the override variable and PATH of this process.
    #[must_use]
    pub fn here() -> Self {
        Self {
            only: std::env::var_os(OVERRIDE_VARIABLE)
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
            path: std::env::var_os("PATH"),
            folders: USUAL_FOLDERS.iter().map(|f| (*f).to_owned()).collect(),
        }
    }

    pub fn newest(&self) -> Result<Programs, SandboxError> {
        if let Some(folder) = &self.only {
            return examine(folder).map_err(|problem| SandboxError::Override {
                folder: folder.clone(),
                problem,
            });
        }
        let (found, looked) = self.look();
        found
            .into_iter()
            .next()
            .ok_or_else(|| SandboxError::NoPrograms {
                looked: looked
                    .iter()
                    .map(|line| format!("  {line}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
                install: install_line(
                    fs::read_to_string("/etc/os-release").ok().as_deref(),
                    rustix::process::geteuid().is_root(),
                ),
            })
    }

    /// All usable programs, newest first: for tests that run on every version at hand.
    pub fn all(&self) -> Vec<Programs> {
        match &self.only {
            Some(folder) => examine(folder).into_iter().collect(),
            None => self.look().0,
        }
    }

    /// What there is, newest first, and what was found at each place that was searched.
    fn look(&self) -> (Vec<Programs>, Vec<String>) {
        let mut found: Vec<Programs> = Vec::new();
        let mut looked = Vec::new();
        let mut seen: Vec<(PathBuf, bool)> = Vec::new();
        // Whether the folder is (or already was found to be) usable.
        let mut consider = |folder: &Path, looked: &mut Vec<String>| {
            let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            if let Some((_, usable)) = seen.iter().find(|(known, _)| *known == folder) {
                return *usable;
            }
            let examined = examine(&folder);
            let usable = examined.is_ok();
            match examined {
                Ok(programs) => found.push(programs),
                Err(problem) => looked.push(format!("{}: {problem}", folder.display())),
            }
            seen.push((folder, usable));
            usable
        };

        looked.push(format!("{OVERRIDE_VARIABLE}: not set"));
        looked.push("the folders of PATH".to_owned());
        for folder in std::env::split_paths(&self.path.clone().unwrap_or_default()) {
            // A link in PATH leads to the folder where its sister is too (Homebrew, Alpine).
            for name in ["postgres", "initdb"] {
                let program = folder.join(name);
                if !program.is_file() {
                    continue;
                }
                let real = fs::canonicalize(&program).unwrap_or(program);
                let usable = real
                    .parent()
                    .is_some_and(|folder| consider(folder, &mut looked));
                if usable || consider(&folder, &mut looked) {
                    break;
                }
            }
        }
        for pattern in &self.folders {
            looked.push(pattern.clone());
            for folder in expand(pattern) {
                // Not every match is meant: an empty version folder is no news.
                if folder.join("postgres").exists() || folder.join("initdb").exists() {
                    consider(&folder, &mut looked);
                }
            }
        }
        found.sort_by_key(|programs| std::cmp::Reverse(order(programs)));
        (found, looked)
    }
}

/// The programs in one folder, or what is wrong with it.
fn examine(folder: &Path) -> Result<Programs, String> {
    let (initdb, postgres) = (folder.join("initdb"), folder.join("postgres"));
    for (name, path) in [("initdb", &initdb), ("postgres", &postgres)] {
        if !path.is_file() {
            return Err(format!("there is no {name} in it"));
        }
    }
    let output = asked_for_version(&postgres)
        .map_err(|error| format!("its postgres cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let version = version_in(&said)
        .ok_or_else(|| "its postgres does not tell its version".to_owned())?
        .to_owned();
    let major = leading_number(&version);
    if major < OLDEST_MAJOR {
        return Err(format!("version {version} is too old"));
    }
    Ok(Programs {
        initdb,
        postgres,
        version,
        major,
    })
}

/// What a program says when it is asked for its version. It is told nothing of our environment that
/// is not its own: a password may be in it (I9).
fn asked_for_version(program: &Path) -> std::io::Result<Output> {
    let mut command = Command::new(program);
    environment::clean_environment(&mut command);
    command.arg("--version").stdin(Stdio::null()).output()
}

/// `15.18` out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version_in(said: &str) -> Option<&str> {
    said.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

fn leading_number(text: &str) -> u32 {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    text[..digits.unwrap_or(text.len())].parse().unwrap_or(0)
}

/// Major and minor version, to sort by. A beta counts as minor 0.
fn order(programs: &Programs) -> (u32, u32) {
    let minor = programs.version.split('.').nth(1).map_or(0, leading_number);
    (programs.major, minor)
}

/// The folders that a pattern stands for; a folder that cannot be read has none.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let Some((before, after)) = part.split_once('*') else {
            folders.iter_mut().for_each(|folder| folder.push(part));
            continue;
        };
        folders = folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.len() >= before.len() + after.len()
                    && name.starts_with(before)
                    && name.ends_with(after)
            })
            .map(|entry| entry.path())
            .collect();
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

/// The one line that installs the server's programs, by what `/etc/os-release` says;
/// macOS has none.
fn install_line(os_release: Option<&str>, root: bool) -> String {
    let os_release = match os_release {
        None if cfg!(target_os = "macos") => return "brew install postgresql".to_owned(),
        os_release => os_release.unwrap_or_default(),
    };
    let value = |key: &str| {
        os_release
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    // ID first, then the families it says it is like.
    let families = format!("{} {}", value("ID"), value("ID_LIKE"));
    let command = families.split_whitespace().find_map(|family| match family {
        "debian" | "ubuntu" => Some("apt-get install -y postgresql"),
        "fedora" | "rhel" | "centos" => Some("dnf install -y postgresql-server"),
        "alpine" => Some("apk add postgresql"),
        "arch" => Some("pacman -S --noconfirm postgresql"),
        "suse" | "opensuse" => Some("zypper install -y postgresql-server"),
        _ => None,
    });
    match command {
        Some(command) if root => command.to_owned(),
        Some(command) => format!("sudo {command}"),
        None => "your system's package of the PostgreSQL server (often named postgresql or \
                 postgresql-server)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_whatever_the_package_adds() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(version_in(debian), Some("15.18"));
        assert_eq!(version_in("postgres (PostgreSQL) 19beta1"), Some("19beta1"));
        assert_eq!(version_in("nothing of the kind"), None);
        assert_eq!(leading_number("19beta1"), 19);
    }

    #[test]
    fn newer_minor_wins_by_number_not_by_text() {
        let of = |version: &str| Programs {
            initdb: PathBuf::new(),
            postgres: PathBuf::new(),
            version: version.to_owned(),
            major: leading_number(version),
        };
        assert!(order(&of("15.18")) > order(&of("15.9")));
        assert!(order(&of("16.0")) > order(&of("15.18")));
        assert!(order(&of("9.6")) < order(&of("14.1")));
    }

    #[test]
    fn install_line_fits_the_system() {
        let line = |text| install_line(Some(text), false);
        assert_eq!(line("ID=debian\n"), "sudo apt-get install -y postgresql");
        assert_eq!(
            line("NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            "sudo apt-get install -y postgresql"
        );
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(line(rocky), "sudo dnf install -y postgresql-server");
        assert_eq!(line("ID=alpine"), "sudo apk add postgresql");
        assert_eq!(line("ID=arch"), "sudo pacman -S --noconfirm postgresql");
        assert!(line("ID=plan9").contains("package of the PostgreSQL server"));
        // In a container there is often no sudo, and no need of one.
        assert_eq!(
            install_line(Some("ID=ubuntu"), true),
            "apt-get install -y postgresql"
        );
    }
}
