use super::*;
use crate::runbook::Runbook;

fn read_objects(sql: &str) -> Objects {
    list_objects(&Script::read("t.sql", None, sql.as_bytes()))
}

/// Each deed in short: what becomes of it, of which table.
fn short(sql: &str) -> Vec<String> {
    let objects = read_objects(sql);
    assert_eq!(objects.unseen, [], "{sql}");
    objects.changes.iter().map(told).collect()
}

fn told(change: &Change) -> String {
    let verb = match &change.deed {
        deed if deed.adds().is_some() => "adds",
        deed if deed.drops().is_some() => "drops",
        _ => "changes",
    };
    let table = change.deed.table().map(|table| format!(" of {table}"));
    format!(
        "{verb} {}{}{}",
        change.deed.words(),
        table.unwrap_or_default(),
        if change.guarded { " if" } else { "" }
    )
}

#[test]
fn the_built_in_script_adds_what_its_instructions_promise() {
    let runbook = Runbook::load(None).unwrap();
    let objects = list_objects(&runbook.script);
    let count = |section: &str, sort: Sort| {
        let of_section = objects.changes.iter().filter(|change| {
            let title = change.section.map(|at| &runbook.script.sections[at].title);
            title.is_some_and(|title| title.contains(section))
        });
        of_section
            .filter(|change| change.deed.adds() == Some(sort.clone()))
            .count()
    };
    let counts =
        |section| [Sort::Column, Sort::Index, Sort::Constraint].map(|sort| count(section, sort));
    assert_eq!(counts("011"), [1, 2, 0]);
    assert_eq!(counts("012"), [21, 5, 0]);
    assert_eq!(counts("013"), [5, 4, 1]);
    let dropped: Vec<String> = objects
        .changes
        .iter()
        .filter(|change| change.deed.drops().is_some())
        .map(told)
        .collect();
    assert_eq!(
        dropped,
        [
            "drops constraint uq_integration_inbox_decision_message of service_ops.integration_inbox if"
        ]
    );
    let unseen: Vec<&str> = objects.unseen.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(unseen, ["DO", "DO"]);
    assert!(objects.changes.iter().all(|change| change.line > 0));
}

#[test]
fn the_rollback_scripts_drop_it_all_again() {
    let runbook = Runbook::load(None).unwrap();
    let mut columns = 0;
    let mut indexes = 0;
    for script in &runbook.rollbacks {
        let objects = list_objects(script);
        let dropped = |sort: Sort| {
            let changes = objects.changes.iter();
            changes
                .filter(|c| c.deed.drops().as_ref() == Some(&sort))
                .count()
        };
        columns += dropped(Sort::Column);
        indexes += dropped(Sort::Index);
    }
    assert_eq!((columns, indexes), (27, 11));
}

#[test]
fn several_actions_of_one_alter_are_several_changes() {
    assert_eq!(
        short(
            "ALTER TABLE IF EXISTS ONLY s.\"T t\"
                 ADD COLUMN IF NOT EXISTS a varchar(10)[] NOT NULL DEFAULT 'x,y'::text, -- a, b
                 ADD b numeric(3, 2) UNIQUE,
                 DROP COLUMN IF EXISTS c CASCADE, DROP d,
                 ALTER COLUMN e SET NOT NULL, ALTER f TYPE bigint USING f::bigint,
                 ADD CONSTRAINT \"K k\" CHECK (a > 0) NOT VALID, ADD PRIMARY KEY (a, B),
                 DROP CONSTRAINT IF EXISTS k, VALIDATE CONSTRAINT \"K k\""
        ),
        [
            "adds column a varchar(10)[] of s.\"T t\" if",
            "adds column b numeric(3, 2) of s.\"T t\"",
            "adds a constraint UNIQUE of s.\"T t\"",
            "drops column c of s.\"T t\" if",
            "drops column d of s.\"T t\"",
            "changes column e of s.\"T t\"",
            "changes column f of s.\"T t\"",
            "adds constraint \"K k\" CHECK of s.\"T t\"",
            "adds a constraint PRIMARY KEY (a, B) of s.\"T t\"",
            "drops constraint k of s.\"T t\" if",
            "changes constraint \"K k\" of s.\"T t\"",
        ]
    );
}

#[test]
fn a_new_table_brings_its_columns_and_constraints() {
    let objects = read_objects(
        "CREATE TABLE A.b (Id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             x timestamp(3) with time zone DEFAULT now() CHECK (x > 'epoch'),
             y int CONSTRAINT fk REFERENCES other (id) ON DELETE CASCADE,
             z int NULL DEFAULT NULL, n serial,
             CONSTRAINT u UNIQUE (x, y), FOREIGN KEY (y, z) REFERENCES s.o (c, d) NOT VALID)",
    );
    let told: Vec<String> = objects.changes.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "adds table a.b of a.b",
            "adds column id bigint of a.b",
            "adds a constraint PRIMARY KEY of a.b",
            "adds column x timestamp(3) with time zone of a.b",
            "adds a constraint CHECK (x > 'epoch') of a.b",
            "adds column y int of a.b",
            "adds constraint fk FOREIGN KEY of a.b",
            "adds column z int of a.b",
            "adds column n serial of a.b",
            "adds constraint u UNIQUE of a.b",
            "adds a constraint FOREIGN KEY (y, z) REFERENCES s.o (c, d) NOT VALID of a.b",
        ]
    );
    let constraints: Vec<&Constraint> = objects
        .changes
        .iter()
        .filter_map(|change| match &change.deed {
            Deed::AddConstraint(constraint) => Some(constraint),
            _ => None,
        })
        .collect();
    assert_eq!(constraints[0].columns, ["id"]);
    let (target, columns) = constraints[2].references.clone().unwrap();
    assert_eq!(
        (target.to_string().as_str(), &*columns),
        ("other", &["id".to_owned()][..])
    );
    assert_eq!(constraints[2].rest, "on delete cascade");
    assert_eq!(constraints[3].columns, ["x", "y"]);
    assert_eq!(constraints[4].columns, ["y", "z"]);
    assert_eq!(constraints[4].references.clone().unwrap().1, ["c", "d"]);
    assert!(constraints[4].not_valid && constraints.iter().all(|c| c.with_table));
    let columns: Vec<(&str, bool, Generated, bool)> = objects
        .changes
        .iter()
        .filter_map(|change| match &change.deed {
            Deed::AddColumn(c) => Some((&*c.name, c.not_null, c.generated, c.default.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("id", true, Generated::Identity, false),
            ("x", false, Generated::No, true),
            ("y", false, Generated::No, false),
            ("z", false, Generated::No, false),
            ("n", true, Generated::Serial, false),
        ]
    );
}

#[test]
fn an_index_is_read_with_all_that_makes_it() {
    let objects = read_objects(
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON s.t USING GIN (lower(A) DESC NULLS \
         FIRST, b ASC) INCLUDE (c) WHERE (a > 1) AND b IS NOT NULL; CREATE INDEX ON t (b)",
    );
    let Deed::AddIndex(index) = &objects.changes[0].deed else {
        panic!("{objects:?}")
    };
    assert_eq!(index.name.as_deref(), Some("I"));
    assert!(index.unique);
    assert_eq!(index.method, "gin");
    assert_eq!(index.keys, ["lower ( a ) desc", "b"]);
    assert_eq!(index.include, ["c"]);
    assert!(
        index.definition.starts_with("USING GIN (lower(A)"),
        "{index:?}"
    );
    assert_eq!(
        index.predicate.as_ref().unwrap().form,
        "((a > 1) and (b is not null))"
    );
    assert_eq!(told(&objects.changes[1]), "adds an index (b) of t");
}

#[test]
fn one_expression_in_two_spellings_has_one_form() {
    let form = |text: &str| {
        let sql = format!("ALTER TABLE t ADD COLUMN c int DEFAULT {text}");
        match definitions(&[sql]).remove(0) {
            Some(Deed::AddColumn(column)) => column.default.unwrap().form,
            other => panic!("{text}: {other:?}"),
        }
    };
    for (script, server) in [
        ("'[]'", "'[]'::jsonb"),
        ("FALSE", "false"),
        ("-1", "'-1'::integer"),
        ("1", "1"),
        ("'x'", "'x'::character varying"),
        ("(a>0) AND b", "((a > 0) AND b)"),
        ("Now( )", "now()"),
    ] {
        assert_eq!(form(script), form(server), "{script} and {server}");
    }
    for (one, other) in [
        ("1", "2"),
        ("'1'", "1"),
        ("'A'", "'a'"),
        ("(a OR b) AND c", "a OR (b AND c)"),
        ("\"A\"", "a"),
    ] {
        assert_ne!(form(one), form(other), "{one} and {other}");
    }
}

#[test]
fn whatever_cannot_be_read_is_listed() {
    let why = |sql: &str| -> Vec<(String, &'static str)> {
        let unseen = read_objects(sql).unseen.into_iter();
        unseen.map(|one| (one.kind, one.why)).collect()
    };
    assert_eq!(why("DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$")[0].0, "DO");
    assert_eq!(why("CALL p()")[0].0, "CALL");
    assert_eq!(why("CREATE EXTENSION hstore")[0].0, "CREATE EXTENSION");
    assert_eq!(
        why("DROP TABLE t CASCADE")[0].1,
        "CASCADE drops what depends on it too"
    );
    assert_eq!(
        why("ALTER TABLE t ADD COLUMN (((")[0].1,
        "its text could not be parsed"
    );
    let deep = format!(
        "CREATE INDEX ON t ({}a{})",
        "(".repeat(900),
        ")".repeat(900)
    );
    assert_eq!(why(&deep)[0].1, "it is too large or too deeply nested");
    assert_eq!(why("SELECT 1; UPDATE t SET a = 1; SET x = 1"), []);
}

#[test]
fn what_has_no_reading_of_its_own_is_still_counted() {
    assert_eq!(
        short(
            "CREATE SEQUENCE IF NOT EXISTS s.q; CREATE OR REPLACE VIEW v AS SELECT 1;
             CREATE TRIGGER g BEFORE INSERT ON s.t EXECUTE FUNCTION f();
             COMMENT ON COLUMN s.t.c IS 'x'; DROP INDEX IF EXISTS s.i, j; DROP VIEW v;
             ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t OWNER TO r; ALTER SEQUENCE q CYCLE"
        ),
        [
            "adds sequence s.q if",
            "adds view v",
            "adds trigger g of s.t",
            "adds comment on COLUMN s.t.c of s.t",
            "drops index s.i if",
            "drops index j if",
            "drops view v",
            "changes column a of t",
            "changes table t of t",
            "changes sequence q",
        ]
    );
}
