//! What is told of TLS that did not come about: what is wrong with it, and what to do next.

use stagegate::database::connect::connect;

use crate::authority::{Wanted, self_signed};
use crate::ground::{Ground, settings};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_told_with_the_next_step() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let rules = "hostssl all only_tls 127.0.0.1/32 trust\nhostssl all certified 127.0.0.1/32 cert\n\
                 host all postgres 127.0.0.1/32 trust";
    let ground = tokio::task::spawn_blocking(move || Ground::new(rules))
        .await
        .unwrap();
    let config = ground.sandbox.connection("postgres", "postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for role in ["only_tls", "certified"] {
        client
            .batch_execute(&format!("CREATE ROLE {role} LOGIN"))
            .await
            .unwrap();
    }
    let authority = |common| {
        let wanted = Wanted {
            common,
            ..Wanted::default()
        };
        self_signed(&wanted, true)
    };
    let (ca, other) = (authority("the authority"), authority("another authority"));
    let folder = ground.folder.path();
    let root = ca.write_certificate(folder, "root");
    let stranger = other.write_certificate(folder, "stranger");
    let names = ["db1.example.org", "db2.example.org"];
    let server = |expired| {
        ca.issue(&Wanted {
            common: "x",
            names: &names,
            expired,
            ..Wanted::default()
        })
    };
    let rooted = format!("sslrootcert={}", root.display());
    let (db1, elsewhere) = ("host=db1.example.org", "host=elsewhere");
    // The server's certificate has expired or not; how it is asked for; the words, in their order.
    let table: [(bool, String, &[&str]); 6] = [
        (
            true,
            format!("{db1} {rooted} sslmode=verify-full user=postgres"),
            &[
                "certificate has expired",
                "\"x\" from \"the authority\", valid from",
                "a new certificate",
            ],
        ),
        (
            false,
            format!("{elsewhere} {rooted} sslmode=verify-full user=postgres"),
            &[
                "\"db1.example.org\" (and 1 other name)",
                "\"elsewhere\"",
                "db1.example.org, db2.example.org",
            ],
        ),
        (
            false,
            format!(
                "{db1} sslrootcert={} sslmode=verify-ca user=postgres",
                stranger.display()
            ),
            &[
                "certificate verify failed",
                "from \"the authority\"",
                "sslrootcert names the file",
            ],
        ),
        (
            false,
            format!("{db1} sslrootcert=/nonexistent sslmode=verify-full user=postgres"),
            &["/nonexistent", "does not exist", "sslrootcert=system"],
        ),
        (
            false,
            format!("{db1} {rooted} sslmode=disable user=only_tls"),
            &["no encryption", "sslmode=require"],
        ),
        (
            false,
            format!("{db1} {rooted} sslmode=require user=certified"),
            &["certificate", "sslcert and sslkey"],
        ),
    ];
    let mut shown = None;
    for (expired, conninfo, words) in table {
        if shown != Some(expired) {
            ground.show(&server(expired), Some(&root)).await;
            shown = Some(expired);
        }
        let port = ground.sandbox.port();
        let conninfo = format!("{conninfo} hostaddr=127.0.0.1 port={port} dbname=postgres");
        let Err(why) = connect(&settings(&conninfo)).await else {
            panic!("{conninfo}: it was let in");
        };
        let told = [Some(why.message), why.detail, why.hint].map(Option::unwrap_or_default);
        let told = told.join(" | ");
        let mut rest = told.as_str();
        for word in words {
            let Some((_, after)) = rest.split_once(word) else {
                panic!("{conninfo}: no {word:?} in {told}");
            };
            rest = after;
        }
    }
}
