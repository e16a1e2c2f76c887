use super::*;

fn find_settings(
    options: ConnectionOptions,
    environment: &[(&str, &str)],
) -> Result<Settings, SettingsError> {
    Settings::find(
        &options,
        &|name| {
            environment
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        },
        Some("osuser".into()),
        &|path| path == Path::new("/tmp"),
    )
}

fn from(text: &str) -> Result<Settings, SettingsError> {
    find_settings(
        ConnectionOptions {
            database: Some(text.into()),
            ..ConnectionOptions::default()
        },
        &[],
    )
}

/// Host list, user, database and password in one line.
fn shape(settings: &Settings) -> String {
    let hosts: Vec<String> = settings
        .hosts
        .iter()
        .map(|h| match &h.place {
            ServerAddress::Socket(d) => format!("{}:{}", d.display(), h.port),
            ServerAddress::Tcp { host, address } => format!(
                "{host}{}:{}",
                address.as_ref().map_or(String::new(), |a| format!("({a})")),
                h.port
            ),
        })
        .collect();
    format!(
        "{} {} {} {}",
        hosts.join(","),
        settings.user,
        settings.database,
        settings.password.as_ref().map_or("-", Secret::reveal)
    )
}

#[test]
fn connection_strings_mean_what_libpq_makes_of_them() {
    let cases = [
        ("wiser_ops", "/tmp:5432 osuser wiser_ops -"),
        ("host=h port=1 user=u dbname=d password=p", "h:1 u d p"),
        (
            "host = h  port =1 user= 'a b' dbname='it\\'s'",
            "h:1 a b it's -",
        ),
        ("user=a\\ b dbname=x\\\\y", "/tmp:5432 a b x\\y -"),
        ("user=u password=''", "/tmp:5432 u u -"),
        ("user='' port='' host=''", "/tmp:5432 osuser osuser -"),
        ("host=a,b port=1,2 user=u", "a:1,b:2 u u -"),
        ("host=a,b port=7 user=u", "a:7,b:7 u u -"),
        ("host=a,,/s user=u", "a:5432,/tmp:5432,/s:5432 u u -"),
        ("host=a,b port=,9 user=u", "a:5432,b:9 u u -"),
        ("hostaddr=10.0.0.1 user=u", "10.0.0.1(10.0.0.1):5432 u u -"),
        ("host=n hostaddr=10.0.0.1 user=u", "n(10.0.0.1):5432 u u -"),
        ("user=first user=second", "/tmp:5432 second second -"),
        ("postgresql://", "/tmp:5432 osuser osuser -"),
        ("postgresql://localhost", "localhost:5432 osuser osuser -"),
        ("postgres://u:p%40ss@h:5433/d", "h:5433 u d p@ss"),
        ("postgresql://u@h/d?user=v", "h:5432 v d -"),
        ("postgresql://h1:1,h2:2/d", "h1:1,h2:2 osuser d -"),
        ("postgresql://h1,h2:2/d", "h1:5432,h2:2 osuser d -"),
        (
            "postgresql://[2001:db8::1]:99/d",
            "2001:db8::1:99 osuser d -",
        ),
        ("postgresql://%2Ftmp%2Fs/d", "/tmp/s:5432 osuser d -"),
        ("postgresql:///d?host=/run/x&port=1", "/run/x:1 osuser d -"),
        ("postgresql://u:@h/", "h:5432 u u -"),
        ("postgresql://h?dbname=x", "h:5432 osuser x -"),
        ("postgresql://h/d%20e?", "h:5432 osuser d e -"),
    ];
    for (text, expected) in cases {
        match from(text) {
            Ok(settings) => assert_eq!(shape(&settings), expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let cases = [
        ("host", None),
        ("hots=h", Some("invalid connection option \"hots\"")),
        (
            "host=h user",
            Some("missing \"=\" after \"user\" in connection info string"),
        ),
        (
            "user='x",
            Some("unterminated quoted string in connection info string"),
        ),
        (
            "host=a,b port=1,2,3",
            Some("could not match 3 port numbers to 2 hosts"),
        ),
        (
            "host=a,b hostaddr=1.1.1.1",
            Some("could not match 2 host names to 1 hostaddr values"),
        ),
        (
            "port=x",
            Some("invalid value \"x\" for connection option \"port\": a number from 1 to 65535"),
        ),
        (
            "sslmode=on",
            Some(
                "invalid value \"on\" for connection option \"sslmode\": use disable, allow, \
                 prefer, require, verify-ca or verify-full",
            ),
        ),
        (
            "connect_timeout=soon",
            Some(
                "invalid value \"soon\" for connection option \"connect_timeout\": a whole number",
            ),
        ),
        (
            "service=prod",
            Some("definition of service \"prod\" not found"),
        ),
        (
            "postgresql://h?x=1",
            Some("invalid URI query parameter: \"x\""),
        ),
        (
            "postgresql://h?port",
            Some("missing key/value separator \"=\" in URI query parameter: \"port\""),
        ),
        (
            "postgresql://h?port=1=2",
            Some("extra key/value separator \"=\" in URI query parameter: \"port\""),
        ),
        (
            "postgresql://u:%zz@h",
            Some("invalid percent-encoded token in URI"),
        ),
        (
            "postgresql://%00",
            Some("forbidden value %00 in percent-encoded value"),
        ),
        (
            "postgresql://[::1",
            Some(
                "end of string reached when looking for matching \"]\" in IPv6 host address in URI",
            ),
        ),
        (
            "postgresql://[]/d",
            Some("IPv6 host address may not be empty in URI"),
        ),
    ];
    for (text, expected) in cases {
        let said = from(text).err().map(|e| e.to_string());
        assert_eq!(said.as_deref(), expected, "{text}");
    }
}

#[test]
fn given_beats_environment_beats_default() {
    let environment = [
        ("PGHOST", "envhost"),
        ("PGPORT", "6000"),
        ("PGUSER", "envuser"),
        ("PGPASSWORD", "envpass"),
        ("PGAPPNAME", ""),
        ("PGSSLMODE", "disable"),
    ];
    let settings = find_settings(ConnectionOptions::default(), &environment).unwrap();
    assert_eq!(shape(&settings), "envhost:6000 envuser envuser envpass");
    assert_eq!(settings.protection.mode, SslMode::Disable);
    assert_eq!(settings.application_name, "stagegate");

    let options = ConnectionOptions {
        host: Some("optionhost".into()),
        user: Some("optionuser".into()),
        database: Some("host=stringhost dbname=d".into()),
        ..ConnectionOptions::default()
    };
    let settings = find_settings(options, &environment).unwrap();
    // As in psql, the connection string wins over -h.
    assert_eq!(shape(&settings), "stringhost:6000 optionuser d envpass");
}

#[test]
fn an_option_that_is_empty_is_not_given() {
    let options = ConnectionOptions {
        host: Some(String::new()),
        ..ConnectionOptions::default()
    };
    let settings = find_settings(options, &[("PGHOST", "envhost")]).unwrap();
    assert_eq!(shape(&settings), "envhost:5432 osuser osuser -");
}

#[test]
fn without_a_socket_directory_it_is_localhost() {
    let settings = Settings::find(
        &ConnectionOptions::default(),
        &|_| None,
        Some("u".into()),
        &|_| false,
    )
    .unwrap();
    assert_eq!(shape(&settings), "localhost:5432 u u -");
}

#[test]
fn timeouts_are_whole_seconds_as_in_libpq() {
    for (text, seconds) in [("1", 2), ("7", 7), ("0", 86_400), ("-1", 86_400)] {
        let settings = from(&format!("connect_timeout={text}")).unwrap();
        assert_eq!(settings.connect_timeout.as_secs(), seconds);
    }
    assert_eq!(from("d").unwrap().connect_timeout, CONNECT_TIMEOUT);
}

#[test]
fn a_password_does_not_show_in_debug_output_or_errors() {
    let settings = from("postgresql://u:hunter2@h/d").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    for text in ["password=hunter2 port=x", "postgresql://u:hunter2@h/d?q=1"] {
        let error = from(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_gives_settings_or_words(text in ".{0,80}") {
        let _ = from(&text);
        let _ = from(&format!("postgresql://{text}"));
        let _ = from(&format!("host={text}"));
    }
}
