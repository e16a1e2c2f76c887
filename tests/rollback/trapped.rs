//! Traps beneath every name that the program and the built-in runbook use, set by a role that may
//! create in `public`, on a database that looks there first: a superuser who opens the checklist,
//! verifies, inspects or rehearses calls none of them.

use crate::rehearsing::said;
use crate::stage::Stage;
use std::collections::BTreeSet;
use std::path::Path;

/// The words of all SQL that there is: the built-in runbook's files and the string constants of the
/// program.
fn words() -> BTreeSet<String> {
    fn read(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() {
                read(&path, into);
            } else if matches!(ending, Some("rs" | "sql")) {
                into.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in [
        "sql",
        "src/database",
        "src/inspect",
        "src/cli",
        "src/runbook",
    ] {
        read(&root.join(folder), &mut text);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

/// For each of those words that is a function of the server: one with the same arguments, and for
/// one that takes any number of them, ones with one to six texts. For each that is a relation or a
/// view of it: a view. And operators for all pairs of the types that catalogs are made of.
fn traps(words: &BTreeSet<String>) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    format!(
        "SET search_path = pg_catalog;
         CREATE FUNCTION public.sprung(name text) RETURNS boolean LANGUAGE plpgsql AS
             $$BEGIN RAISE LOG 'trap sprung: %', $1; RETURN true; END$$;
         CREATE TEMP TABLE word AS SELECT unnest(string_to_array('{}', ' ')) AS word;
         DO $do$
         DECLARE f record; o text; l text; r text; n int;
             types text[] := ARRAY['name', 'text', '\"char\"', 'int2', 'int4', 'int8', 'oid', 'xid', 'xid8',
                 'pg_lsn', 'float4', 'float8', 'numeric', 'bool', 'jsonb', 'timestamptz', 'interval'];
         BEGIN
             FOR f IN SELECT DISTINCT p.proname, oidvectortypes(p.proargtypes) AS args,
                          format_type(p.prorettype, NULL) AS result, p.provariadic <> 0 AS open
                      FROM pg_proc AS p JOIN word ON word = p.proname
                      WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prorettype <> 'trigger'::regtype LOOP
                 FOR n IN 0 .. CASE WHEN f.open THEN 6 ELSE 0 END LOOP
                     BEGIN
                         EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
                             '$t$BEGIN RAISE LOG ''trap sprung: function %s''; RETURN NULL; END$t$', f.proname,
                             CASE n WHEN 0 THEN f.args ELSE array_to_string(array_fill('text'::text, ARRAY[n]), ', ') END,
                             CASE n WHEN 0 THEN f.result ELSE 'text' END, f.proname);
                     EXCEPTION WHEN OTHERS THEN NULL;
                     END;
                 END LOOP;
             END LOOP;
             FOR f IN SELECT c.relname FROM pg_class AS c JOIN word ON word = c.relname
                      WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') LOOP
                 EXECUTE format('CREATE VIEW public.%1$I AS SELECT %3$s FROM pg_catalog.%1$I WHERE public.sprung(%2$L)',
                     f.relname, 'relation ' || f.relname,
                     (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                      WHERE attrelid = format('pg_catalog.%I', f.relname)::regclass AND attnum > 0
                        AND atttypid <> 'anyarray'::regtype AND NOT attisdropped));
             END LOOP;
             FOREACH l IN ARRAY types LOOP FOREACH r IN ARRAY types LOOP
                 EXECUTE format('CREATE FUNCTION public.trap_operator(%s, %s) RETURNS bool LANGUAGE plpgsql AS '
                     '$t$BEGIN RAISE LOG ''trap sprung: operator''; RETURN NULL; END$t$', l, r);
                 FOREACH o IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '~', '!~', '~~', '||', '+', '-', '*',
                     '/', '->>'] LOOP
                     EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, '
                         'FUNCTION = public.trap_operator)', o, l, r);
                 END LOOP;
             END LOOP; END LOOP;
         END $do$;
         ALTER DATABASE wiser_ops SET search_path = public, pg_catalog;",
        words.join(" ")
    )
}

#[test]
fn a_superuser_springs_no_trap() {
    let stage = Stage::set();
    let log = stage.sandbox().log_path().to_owned();
    let sprung = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().filter(|line| line.contains("trap sprung"));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    let words = words();
    assert!(words.contains("format") && words.contains("pg_attribute"));
    stage.superuser(&[&traps(&words)]);
    assert_eq!(sprung(), Vec::<String>::new());

    // The name of a superuser comes last, and counts.
    let superuser = ["-U", stage.sandbox().superuser()];
    for command in ["verify", "rehearse"] {
        let (output, _) = stage.alone_as(superuser[1], &[command]);
        let text = said(&output) + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("PASS"), "{command}: {text}");
        assert_eq!(sprung(), Vec::<String>::new(), "{command}: {text}");
    }
    let mut person = stage.typed_as(superuser[1], &["run", "--plain"]);
    person.wait_for("The tables are as the migration expects them: HOLDS");
    drop(person);
    assert_eq!(sprung(), Vec::<String>::new(), "run");

    // And they are traps: who trusts the path of this database springs them.
    stage.superuser(&[
        "SELECT format('%s', 'a')",
        "SELECT relname FROM pg_class LIMIT 1",
    ]);
    assert!(sprung().len() > 1, "{:?}", sprung());
}
