//! Operators that somebody put where ours are looked up: none of them is ever called by what the
//! program itself sends, or its owner would do what he likes with the role of whoever applies.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::query::LIMIT;
use stagegate::facts::{After, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::question::Question;

use crate::stage::{Stage, database, over_socket, psql, runbook, server};

/// Operators for all pairs of the types that catalogs are made of, before those of the server.
const TRAP: &str = "CREATE TABLE t (a int); ANALYZE t; CREATE SCHEMA trap;
DO $$ DECLARE l text; r text; o text;
    types text[] := ARRAY['name', 'text', '\"char\"', 'int4', 'int8', 'oid', 'xid', 'xid8', 'pg_lsn',
        'float4', 'float8', 'numeric', 'bool', 'jsonb', 'timestamptz'];
BEGIN
    FOREACH l IN ARRAY types LOOP FOREACH r IN ARRAY types LOOP
        EXECUTE format('CREATE FUNCTION trap.f(%s, %s) RETURNS bool LANGUAGE plpgsql AS '
            '''BEGIN RAISE EXCEPTION $e$hijacked: %% %%$e$, pg_typeof($1), pg_typeof($2); END''', l, r);
        FOREACH o IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '~', '!~', '~~', '||', '+', '-', '*',
            '/', '->>'] LOOP
            EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.f)',
                o, l, r);
        END LOOP;
    END LOOP; END LOOP;
    EXECUTE format('ALTER DATABASE %I SET search_path = trap, pg_catalog, public',
        pg_catalog.current_database());
END $$";

#[tokio::test]
async fn nobodys_operators_are_called_by_what_the_program_sends() {
    let name = database(server()).await;
    let client = psql(server(), &name).await;
    client.batch_execute(TRAP).await.unwrap();
    // Somebody holds a lock on the table, so that there is something to tell.
    client
        .batch_execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let book = runbook(&["ALTER TABLE t ALTER a SET STATISTICS 7"]);
    let mut stage = Stage::with(over_socket(server(), &name), book, HoldOptions::default());
    stage.connect().await;
    stage.order(Order::Probe(vec![1, 2]));
    loop {
        let report = stage.next().await;
        let said = format!("{:?}", report.body);
        let hijacked = said.contains("hijacked") || said.contains("cannot be seen");
        assert!(!hijacked, "{said}");
        if let Body::Measured(measure) = report.body {
            assert_eq!(measure.problem, None);
            break;
        }
    }
    let (xid, _) = stage.apply().await;
    let settled = stage.ask(Order::Settle).await;
    assert!(matches!(settled, Body::Settled { .. }), "{settled:?}");
    let question = Question::read("SELECT 1").unwrap();
    let Body::Looked(looked) = stage.ask(Order::Query(question, LIMIT)).await else {
        panic!("not looked")
    };
    assert_eq!(looked.after, After::Unchanged);
    let CommitAnswer::Tag { xact_status, .. } = stage.commit(&xid).await else {
        panic!("not committed")
    };
    assert_eq!(xact_status, Some(XactStatus::Committed));
}
