//! sslmode × certificate × host, beside psql: where one connects so does the other, in the same way.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use crate::authority::{Wanted, self_signed};
use crate::ground::{Came, Ground, find_psql, ours, psql};

const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

fn word(came: &Came) -> &'static str {
    match came {
        Ok(true) => "TLS",
        Ok(false) => "plain",
        Err(_) => "refused",
    }
}

/// Rows of the page, and what differs.
#[derive(Default)]
struct Tally {
    rows: BTreeMap<(usize, String), [BTreeMap<&'static str, usize>; 6]>,
    compared: usize,
    differing: Vec<String>,
}

impl Tally {
    async fn compare(
        &mut self,
        program: &std::path::Path,
        row: (usize, &str),
        mode: usize,
        conninfo: &str,
    ) {
        let conninfo = format!("{conninfo} sslmode={}", MODES[mode]);
        let (theirs, ours) = tokio::join!(psql(program, &conninfo), ours(&conninfo));
        self.compared += 1;
        let cell = &mut self.rows.entry((row.0, row.1.to_owned())).or_default()[mode];
        *cell.entry(word(&theirs)).or_default() += 1;
        if word(&theirs) != word(&ours) {
            self.differing.push(format!(
                "{} | {conninfo}\n  psql {theirs:?}\n  ours {ours:?}",
                row.1
            ));
        }
    }

    fn table(&self) -> String {
        let mut page = String::from("| the server, or we, have |");
        for mode in MODES {
            page.push_str(&format!(" {mode} |"));
        }
        page.push_str("\n| --- | --- | --- | --- | --- | --- | --- |\n");
        for ((_, name), cells) in &self.rows {
            page.push_str(&format!("| {name} |"));
            for cell in cells {
                let words: Vec<String> = cell
                    .iter()
                    .map(|(word, count)| match cell.len() {
                        1 => (*word).to_owned(),
                        _ => format!("{word} {count}"),
                    })
                    .collect();
                page.push_str(&format!(" {} |", words.join(", ")));
            }
            page.push('\n');
        }
        page
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_psql_connects_so_does_it_and_in_the_same_way() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let Some(program) = find_psql() else { return };
    let rules = "hostssl all only_tls 127.0.0.1/32 trust\nhostnossl all only_plain 127.0.0.1/32 trust\n\
                 hostssl all by_certificate 127.0.0.1/32 cert\n\
                 host all nobody 127.0.0.1/32 reject\nhost all postgres 127.0.0.1/32 trust";
    let ground = tokio::task::spawn_blocking(move || Ground::new(rules))
        .await
        .unwrap();
    let folder = ground.folder.path().to_owned();
    let port = ground.sandbox.port();
    let mut tally = Tally::default();
    let base = format!("port={port} dbname=postgres connect_timeout=20");
    let hosts = [
        "host=localhost hostaddr=127.0.0.1",
        "host=127.0.0.1",
        "host=db.example.org hostaddr=127.0.0.1",
        "hostaddr=127.0.0.1",
    ];
    {
        let config = ground.sandbox.connection("postgres", "postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN; CREATE ROLE by_certificate LOGIN; CREATE ROLE nobody LOGIN")
            .await
            .unwrap();
    }
    // Without TLS on the server.
    for mode in 0..6 {
        let conninfo = format!(
            "{base} user=postgres host=127.0.0.1 sslrootcert={}/none",
            folder.display()
        );
        tally
            .compare(&program, (0, "no TLS on the server"), mode, &conninfo)
            .await;
    }

    let ca = self_signed(
        &Wanted {
            common: "the authority",
            ..Wanted::default()
        },
        true,
    );
    let other = self_signed(
        &Wanted {
            common: "another authority",
            ..Wanted::default()
        },
        true,
    );
    let root = ca.write_certificate(&folder, "root");
    let all = ["localhost", "127.0.0.1", "*.example.org"];
    let kinds = [
        (
            "good: names and an address",
            ca.issue(&Wanted {
                common: "x",
                names: &all,
                ..Wanted::default()
            }),
        ),
        (
            "good: one name",
            ca.issue(&Wanted {
                common: "x",
                names: &["localhost"],
                ..Wanted::default()
            }),
        ),
        (
            "common name only",
            ca.issue(&Wanted {
                common: "localhost",
                ..Wanted::default()
            }),
        ),
        (
            "common name an address",
            ca.issue(&Wanted {
                common: "127.0.0.1",
                ..Wanted::default()
            }),
        ),
        (
            "common name and an address beside it",
            ca.issue(&Wanted {
                common: "localhost",
                names: &["127.0.0.1"],
                ..Wanted::default()
            }),
        ),
        (
            "for another name",
            ca.issue(&Wanted {
                common: "x",
                names: &["elsewhere"],
                ..Wanted::default()
            }),
        ),
        (
            "expired",
            ca.issue(&Wanted {
                common: "localhost",
                names: &all,
                expired: true,
                ..Wanted::default()
            }),
        ),
        (
            "self-signed",
            self_signed(
                &Wanted {
                    common: "localhost",
                    names: &all,
                    ..Wanted::default()
                },
                false,
            ),
        ),
        (
            "X.509 v1",
            ca.issue(&Wanted {
                common: "localhost",
                old: true,
                ..Wanted::default()
            }),
        ),
        (
            "of another authority",
            other.issue(&Wanted {
                common: "localhost",
                names: &all,
                ..Wanted::default()
            }),
        ),
        (
            "revoked",
            ca.issue(&Wanted {
                common: "localhost",
                names: &all,
                serial: 66,
                ..Wanted::default()
            }),
        ),
    ];
    let list = ca.revoke(&folder, 66);
    for (number, (name, pair)) in kinds.iter().enumerate() {
        ground.show(pair, Some(&root)).await;
        let own = pair.write_certificate(&folder, "own");
        let mut roots = vec![
            format!("sslrootcert={}", root.display()),
            format!("sslrootcert={}/none", folder.display()),
        ];
        match *name {
            // A self-signed leaf as its own root, as the manual's first recipe makes it.
            "self-signed" => roots.push(format!("sslrootcert={}", own.display())),
            "revoked" => match &list {
                Some(list) => {
                    roots = vec![format!(
                        "sslrootcert={} sslcrl={}",
                        root.display(),
                        list.display()
                    )]
                }
                None => continue,
            },
            _ => {}
        }
        for roots in roots {
            for host in hosts {
                for mode in 0..6 {
                    let conninfo = format!("{base} user=postgres {host} {roots}");
                    tally
                        .compare(&program, (number + 1, name), mode, &conninfo)
                        .await;
                }
            }
        }
    }

    // Rules of pg_hba.conf, with a good certificate.
    let good = &kinds[0].1;
    ground.show(good, Some(&root)).await;
    let rooted = format!("sslrootcert={}", root.display());
    for (number, (role, name)) in [
        ("only_tls", "pg_hba.conf: TLS only"),
        ("only_plain", "pg_hba.conf: plain only"),
        ("nobody", "pg_hba.conf: reject"),
    ]
    .into_iter()
    .enumerate()
    {
        for mode in 0..6 {
            let conninfo = format!("{base} user={role} host=127.0.0.1 {rooted}");
            tally
                .compare(&program, (20 + number, name), mode, &conninfo)
                .await;
        }
    }

    // Certificates of ours.
    let mine = ca.issue(&Wanted {
        common: "by_certificate",
        serial: 7,
        ..Wanted::default()
    });
    let foreign = other.issue(&Wanted {
        common: "by_certificate",
        serial: 8,
        ..Wanted::default()
    });
    let wrong_role = ca.issue(&Wanted {
        common: "somebody_else",
        serial: 9,
        ..Wanted::default()
    });
    let mine_file = mine.write_certificate(&folder, "mine");
    let foreign_file = foreign.write_certificate(&folder, "foreign");
    let wrong_file = wrong_role.write_certificate(&folder, "wrong");
    let key = |name: &str, bytes: Vec<u8>, mode: u32| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let with = |certificate: &std::path::Path, key: &str, more: &str| {
        format!("sslcert={} sslkey={key} {more}", certificate.display())
    };
    let (open, wrong) = ("sslpassword='open sesame'", "sslpassword=wrong");
    let (pkcs8, old) = ("pkcs8", "traditional");
    let (pkcs8_encrypted, old_encrypted) = ("pkcs8 encrypted", "traditional encrypted");
    let keyed = [
        ("PKCS#8", &mine, pkcs8, 0o600, ""),
        ("traditional", &mine, old, 0o600, ""),
        ("DER", &mine, "der", 0o600, ""),
        ("PKCS#8, encrypted", &mine, pkcs8_encrypted, 0o600, open),
        ("traditional, encrypted", &mine, old_encrypted, 0o600, open),
        ("wrong passphrase", &mine, pkcs8_encrypted, 0o600, wrong),
        ("open to others", &mine, pkcs8, 0o644, ""),
        ("of another certificate", &foreign, pkcs8, 0o600, ""),
    ];
    let mut ours: Vec<(String, String)> = Vec::new();
    for (number, (name, pair, form, mode, more)) in keyed.into_iter().enumerate() {
        let key = key(&format!("{number}.key"), pair.key_bytes(form), mode);
        let name = format!("our key: {name}");
        ours.push((name, with(&mine_file, &key, more)));
    }
    let gone = with(&mine_file, "/nonexistent/key", "");
    ours.insert(7, ("our key: missing".to_owned(), gone));
    let foreign_key = key("foreign.key", foreign.key_bytes(pkcs8), 0o600);
    let wrong_key = key("wrong.key", wrong_role.key_bytes(pkcs8), 0o600);
    for (name, file, key) in [
        ("missing", &folder.join("nothing"), "/nonexistent/key"),
        ("of another authority", &foreign_file, &*foreign_key),
        ("for another role", &wrong_file, &*wrong_key),
    ] {
        let name = format!("our certificate: {name}");
        ours.push((name, with(file, key, "")));
    }
    for (number, (name, more)) in ours.iter().enumerate() {
        for mode in 0..6 {
            let conninfo = format!("{base} user=by_certificate host=127.0.0.1 {rooted} {more}");
            tally
                .compare(&program, (30 + number, name), mode, &conninfo)
                .await;
        }
    }
    for versions in [
        "ssl_max_protocol_version=TLSv1.2",
        "ssl_min_protocol_version=TLSv1.3",
    ] {
        let conninfo = format!("{base} user=postgres host=127.0.0.1 {rooted} {versions}");
        tally
            .compare(&program, (50, "one version of TLS"), 5, &conninfo)
            .await;
    }
    for mode in 0..6 {
        let conninfo = format!(
            "port={port} dbname=postgres user=postgres host={}",
            ground.sandbox.socket_dir().display()
        );
        tally
            .compare(&program, (60, "a unix socket"), mode, &conninfo)
            .await;
    }

    println!(
        "{}\n{} compared, {} differ",
        tally.table(),
        tally.compared,
        tally.differing.len()
    );
    let page = include_str!("../../assets/tls.md");
    assert!(
        list.is_none() || page.contains(&tally.table()),
        "assets/tls.md has another table"
    );
    assert!(tally.differing.is_empty(), "{}", tally.differing.join("\n"));
}
