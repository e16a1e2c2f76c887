//! Environment, service file, password file and options together: where each value comes from.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stagegate::database::passfile;
use stagegate::database::secret::Secret;
use stagegate::database::settings::{ConnectionOptions, Settings, os_user, resolve};

use crate::dice::Dice;
use crate::oracle::{Answer, Libpq};

/// One set-up: files in a folder of its own, the environment, psql's options.
struct Setup {
    environment: Vec<(String, String)>,
    options: Vec<(char, String)>,
    told: String,
}

/// Values with which every libpq comes to nothing at once: no server is there.
fn value(dice: &mut Dice, keyword: &str, folder: &Path) -> String {
    let from: &[&'static str] = match keyword {
        "host" => &[
            "/no",
            "/no",
            "/no/b",
            "/no/a,/no/b",
            "127.0.0.1",
            "@abstract-nobody",
            "localhost",
        ],
        "hostaddr" => &["127.0.0.1", "127.0.0.1,127.0.0.2", "", "127.0.0.3"],
        "port" => &["1", "2", "1", "2", "1,2", "1,2,3", " 4 ", "x", "70000"],
        "user" => &["u", "u", "a:b", "back\\slash", "", "dba"],
        "dbname" => &["d", "x y", "", "wiser"],
        "password" => &["given", "", "", "", ""],
        "sslmode" => &[
            "disable",
            "prefer",
            "require",
            "verify-full",
            "on",
            "",
            "allow",
        ],
        "connect_timeout" => &["5", "0", "1"],
        "application_name" => &["", "mine"],
        "options" => &["", "-c geqo=off"],
        "channel_binding" => &["prefer", "disable", "maybe"],
        "target_session_attrs" => &["any", "read-write", "primary", "wrong", ""],
        "keepalives_idle" => &["10", "7"],
        "ssl_min_protocol_version" => &["TLSv1", "tlsv1.3", "", "SSLv3"],
        "ssl_max_protocol_version" => &["TLSv1.2", "TLSv1.3", ""],
        "gssencmode" => &["disable", "prefer", "wrong"],
        "sslnegotiation" => &["postgres", "direct", "x"],
        "sslcertmode" => &["disable", "allow", "require", "x"],
        "require_auth" => &[
            "password",
            "!md5",
            "none",
            "password,md5",
            "password,!md5",
            "md5,md5",
            "",
            "!none",
        ],
        "load_balance_hosts" => &["disable", "x"],
        "sslrootcert" => &["/no/root", "system"],
        "passfile" => {
            return folder
                .join(dice.word(&["pass", "home/.pgpass", "missing"]))
                .display()
                .to_string();
        }
        _ => &["1", "x", ""],
    };
    dice.word(from).to_owned()
}

const KEYWORDS: [(&str, &str); 23] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("dbname", "PGDATABASE"),
    ("password", "PGPASSWORD"),
    ("sslmode", "PGSSLMODE"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("application_name", "PGAPPNAME"),
    ("options", "PGOPTIONS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("keepalives_idle", ""),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("require_auth", "PGREQUIREAUTH"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("passfile", "PGPASSFILE"),
    ("sslsni", "PGSSLSNI"),
];

fn service_file(dice: &mut Dice, known: &[(&str, &str)], folder: &Path) -> String {
    let mut text = String::new();
    for _ in 0..1 + dice.roll(3) {
        text.push_str(dice.word(&["[one]\n", "[two]\n", " [one] \n", "[one] x\n", "[oneone]\n"]));
        for _ in 0..dice.roll(5) {
            let (keyword, _) = *dice.pick(known);
            let value = value(dice, keyword, folder);
            text.push_str(&match dice.roll(70) {
                0 => format!("{keyword} = {value}\n"),
                1 => "# a note\n".into(),
                2 => "\n".into(),
                3 => "nonsense\n".into(),
                4 => "service=two\n".into(),
                5 => format!("{keyword}={}\n", "x".repeat(1100)),
                6 => "requiressl=1\n".into(),
                _ => format!("  {keyword}={value} \n"),
            });
        }
    }
    if dice.once_in(5) {
        text.pop();
    }
    text
}

fn pass_file(dice: &mut Dice, directory: &str) -> String {
    let hosts = [
        "*",
        "/no",
        "/no/a",
        "/no/b",
        "localhost",
        "127.0.0.1",
        "127.0.0.3",
        directory,
        "@abstract-nobody",
    ];
    let users = ["*", "*", "u", "a\\:b", "back\\\\slash", "dba", "root"];
    let mut text = String::new();
    for i in 0..dice.roll(8) {
        text.push_str(&match dice.roll(12) {
            0 => "# *:*:*:*:comment\n".into(),
            1 => "*:*:*\n".into(),
            2 => "\n".into(),
            _ => format!(
                "{}:{}:{}:{}:{}{}\n",
                *dice.pick(&hosts),
                dice.word(&["*", "*", "*", "*", "1", "2", "3", "5432", " 4 "]),
                dice.word(&["*", "*", "*", "*", "d", "x y", "wiser"]),
                dice.pick(&users),
                dice.word(&["secret", "a\\:b", "a\\\\b", "", "é", "x:more", "end\\"]),
                i
            ),
        });
    }
    if dice.once_in(2) {
        text.push_str("*:*:*:*:for anybody\n");
    }
    text.replace('\n', dice.word(&["\n", "\n", "\r\n"]))
}

fn setup(dice: &mut Dice, known: &[(&str, &str)], folder: &Path, directory: &str) -> Setup {
    let speaks_tls = known.iter().any(|(keyword, _)| *keyword == "sslmode");
    let home = folder.join("home");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir_all(folder.join("etc")).unwrap();
    let mut told = String::new();
    let mut write = |path: PathBuf, text: String, mode: u32| {
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        told.push_str(&format!("--- {} {mode:o}\n{text}\n", path.display()));
    };
    for file in ["pass", "home/.pgpass"] {
        if !dice.once_in(4) {
            let mode = *dice.pick(&[0o600, 0o600, 0o600, 0o400, 0o640, 0o604]);
            write(folder.join(file), pass_file(dice, directory), mode);
        }
    }
    for file in ["services", "home/.pg_service.conf", "etc/pg_service.conf"] {
        if !dice.once_in(3) {
            write(folder.join(file), service_file(dice, known, folder), 0o644);
        }
    }
    let mut environment = vec![
        ("HOME".to_owned(), home.display().to_string()),
        (
            "PGSYSCONFDIR".to_owned(),
            folder.join("etc").display().to_string(),
        ),
    ];
    let mut more = |name: &str, value: String| environment.push((name.to_owned(), value));
    for (keyword, variable) in known {
        if !variable.is_empty() && dice.once_in(9) {
            more(variable, value(dice, keyword, folder));
        }
    }
    if dice.once_in(4) {
        more(
            "PGSERVICE",
            (dice.word(&["one", "two", "", "none"])).to_owned(),
        );
    }
    if dice.once_in(4) {
        let file = dice.word(&["services", "missing"]);
        more("PGSERVICEFILE", folder.join(file).display().to_string());
    }
    if speaks_tls && dice.once_in(6) {
        more("PGREQUIRESSL", (dice.word(&["1", "0", "yes"])).to_owned());
    }
    let mut options = Vec::new();
    for (letter, keyword) in [('h', "host"), ('p', "port"), ('u', "user")] {
        if dice.once_in(4) {
            options.push((letter, value(dice, keyword, folder)));
        }
    }
    if dice.once_in(2) {
        let mut string = String::new();
        for _ in 0..dice.roll(3) {
            let (keyword, _) = *dice.pick(known);
            let value = value(dice, keyword, folder).replace('\\', "\\\\");
            string.push_str(&format!("{keyword}='{value}' "));
        }
        if dice.once_in(3) {
            string.push_str(dice.word(&["service=one", "service=two", "service=''"]));
        }
        options.push(('d', string));
    }
    told.push_str(&format!("{environment:?}\n{options:?}\n"));
    Setup {
        environment,
        options,
        told,
    }
}

/// A password shows nowhere; a password file for a child has it.
fn shown(password: &Secret) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shown");
    passfile::write_passfile(&path, password).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut escaped = text.trim_end_matches('\n')["*:*:*:*:".len()..].chars();
    let mut out = String::new();
    while let Some(c) = escaped.next() {
        out.push(if c == '\\' {
            escaped.next().unwrap()
        } else {
            c
        });
    }
    out
}

/// What ours makes of it, in the shape of libpq's answer.
fn ours(setup: &Setup, directory: &str) -> Answer {
    let environment = |name: &str| {
        setup
            .environment
            .iter()
            .rfind(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
    };
    let option = |letter| {
        let mut options = setup.options.iter();
        options
            .find(|(l, _)| *l == letter)
            .map(|(_, value)| value.clone())
    };
    let options = ConnectionOptions {
        host: option('h'),
        port: option('p'),
        user: option('u'),
        database: option('d'),
        ..ConnectionOptions::default()
    };
    let values = resolve(&options, &environment).map_err(|e| e.to_string())?;
    let exists = |path: &Path| path == Path::new(directory);
    let settings =
        Settings::find(&options, &environment, os_user(), &exists).map_err(|e| e.to_string())?;
    let mut answer: BTreeMap<String, String> = values
        .into_iter()
        .map(|(keyword, value)| (keyword.to_owned(), value))
        .collect();
    let last = settings.hosts.last().unwrap();
    answer.insert("HOST".into(), last.place.name());
    answer.insert("PORT".into(), last.port.to_string());
    let password = settings.password_for(last).as_ref().map(shown);
    answer.insert("PASS".into(), password.unwrap_or_default());
    answer.insert("user".into(), settings.user);
    answer.insert("dbname".into(), settings.database);
    Ok(answer)
}

/// What both say in the same shape.
fn shape(answer: &Answer, known: &[String]) -> Option<BTreeMap<String, String>> {
    let mut values = answer.as_ref().ok()?.clone();
    values.retain(|name, value| {
        // Empty and not given come to the same once the sources are through.
        !value.is_empty()
            && (known.contains(name) || ["HOST", "PORT", "PASS"].contains(&name.as_str()))
            // The file that was looked into is told by the password; whom the program calls itself
            // and the service are not told by both. The default of GSSAPI depends on how libpq was built.
            && !["passfile", "service", "fallback_application_name", "gssencmode"].contains(&name.as_str())
    });
    if let Some(port) = values.get_mut("PORT") {
        *port = port.trim().to_owned();
    }
    Some(values)
}

/// Holds `count` set-ups against libpq.
pub fn compare(count: usize, seed: u64) {
    let Some(mut libpq) = Libpq::start() else {
        return;
    };
    let words = libpq.keywords();
    let directory = libpq
        .socket_directory()
        .expect("a default socket directory");
    let speaks_tls = libpq.speaks_tls();
    let of_tls = |keyword: &str| keyword.starts_with("ssl") || keyword == "channel_binding";
    // Without TLS a libpq has other defaults, and refuses what it cannot do.
    let words: Vec<String> = words
        .into_iter()
        .filter(|word| speaks_tls || !of_tls(word))
        .collect();
    let known: Vec<(&str, &str)> = KEYWORDS
        .into_iter()
        .filter(|(keyword, _)| words.iter().any(|word| word == keyword))
        // Before there was a keyword for it, `system` was the name of a file.
        .filter(|(keyword, _)| {
            *keyword != "sslrootcert" || words.iter().any(|w| w == "require_auth")
        })
        .collect();
    let mut dice = Dice(seed);
    let (mut taken, mut refused, mut passwords) = (0, 0, 0);
    let mut differing = Vec::new();
    for _ in 0..count {
        let folder = tempfile::tempdir().unwrap();
        let setup = setup(&mut dice, &known, folder.path(), &directory);
        let theirs = libpq.connect(&setup.environment, &setup.options);
        let ours = ours(&setup, &directory);
        let (theirs_shape, ours_shape) = (shape(&theirs, &words), shape(&ours, &words));
        match &theirs_shape {
            Some(values) => {
                taken += 1;
                passwords += usize::from(values.get("PASS").is_some_and(|p| p != "given"));
            }
            None => refused += 1,
        }
        if theirs_shape != ours_shape {
            differing.push(format!(
                "{}  libpq {theirs_shape:?} {:?}\n  ours  {ours_shape:?} {:?}",
                setup.told,
                theirs.as_ref().err(),
                ours.as_ref().err()
            ));
        }
    }
    println!(
        "{count} set-ups: {taken} taken ({passwords} with a password from a file), {refused} refused, \
         {} differ",
        differing.len()
    );
    assert!(
        taken > count / 5 && refused > count / 5,
        "{taken} {refused}"
    );
    assert!(passwords > count / 25, "{passwords}");
    assert!(
        differing.is_empty(),
        "{}",
        differing[..differing.len().min(4)].join("\n")
    );
}
