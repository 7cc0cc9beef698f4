//! Read-only SQL: what it gives, what it refuses, where it stops.

use serde_json::{Value, json};
use sinew_contract::ErrorKind;

use crate::story::{dump, everything, folded};

#[tokio::test]
async fn a_select_gives_columns_and_rows() {
    let (memory, _folder) = folded(&everything()).await;
    let sql = "SELECT status, count(*) AS n FROM runs WHERE scope = 'main' GROUP BY status ORDER BY status";
    let table = memory.query(sql).await.expect("it is a good query");
    assert_eq!(table.columns, ["status", "n"]);
    let expected = [("cancelled", 1), ("completed", 2), ("faulted", 1), ("running", 1), ("waiting", 1)];
    assert_eq!(table.rows, expected.map(|(status, n)| vec![json!(status), json!(n)]));
    assert!(!table.truncated);
}

#[tokio::test]
async fn every_kind_of_value_has_its_json() {
    let (memory, _folder) = folded(&everything()).await;
    let table = memory.query("SELECT NULL, 7, 0.5, 'ü', x'00ff'").await.expect("it is a good query");
    assert_eq!(table.rows, [vec![Value::Null, json!(7), json!(0.5), json!("ü"), json!("00ff")]]);
    for (sql, rows) in [
        ("WITH t(x) AS (VALUES (1), (2)) SELECT x FROM t", 2),
        ("SELECT subject FROM episodes WHERE key NOT LIKE 'run/%'", 2),
        ("SELECT json_extract(output, '$.outcome') FROM runs WHERE output IS NOT NULL", 3),
        ("EXPLAIN QUERY PLAN SELECT 1", 1),
        ("PRAGMA table_info(meta)", 4),
    ] {
        assert_eq!(memory.query(sql).await.expect("it is a good query").rows.len(), rows, "{sql}");
    }
}

#[tokio::test]
async fn whatever_would_write_or_reach_out_is_refused() {
    let (memory, folder) = folded(&everything()).await;
    let before = dump(&folder.path().join("memory.sqlite"));
    for sql in [
        "DELETE FROM runs",
        "UPDATE runs SET status = 'completed'",
        "INSERT INTO runs (scope) VALUES ('x')",
        "DROP TABLE runs",
        "CREATE TEMP TABLE t (x)",
        "ATTACH DATABASE '/tmp/x.sqlite' AS x",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = 0",
        "VACUUM INTO '/tmp/x.sqlite'",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM runs",
        "WITH t AS (SELECT 1) DELETE FROM runs",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT nonsense FROM runs",
        "SELECT * FROM nothing",
        "not sql at all",
        "",
        "-- nothing",
    ] {
        let failure = memory.query(sql).await.expect_err(sql);
        assert_eq!(failure.kind(), ErrorKind::Invalid, "{sql}: {failure}");
    }
    assert_eq!(dump(&folder.path().join("memory.sqlite")), before);
    memory.query("SELECT 1").await.expect("a refused query leaves nothing behind");
}

#[tokio::test]
async fn an_error_names_what_is_wrong() {
    let (memory, _folder) = folded(&everything()).await;
    let said = async |sql: &str| memory.query(sql).await.expect_err(sql).to_string();
    assert_eq!(said("SELECT colour FROM runs").await, "cannot run this query: no such column: colour");
    assert_eq!(
        said("DELETE FROM runs").await,
        "cannot run this query: only reading is allowed here; memory is written by the journal alone"
    );
    assert_eq!(
        said("SELECT 1; SELECT 2").await,
        "cannot run this query: one statement at a time; remove what follows the `;`"
    );
}

#[tokio::test]
async fn too_many_rows_are_cut_off_and_said_so() {
    let (memory, _folder) = folded(&everything()).await;
    let count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n";
    let table = memory.query(format!("{count}) SELECT x FROM n")).await.expect("it is a good query");
    assert_eq!((table.rows.len(), table.truncated), (sinew_memory::sql::ROWS_MAX, true));
    let sql = format!("{count} LIMIT 100) SELECT hex(zeroblob(300000)) FROM n");
    let wide = memory.query(sql).await.expect("it is a good query");
    assert!(wide.truncated && wide.rows.len() < 100, "{} rows", wide.rows.len());
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let (memory, _folder) = folded(&everything()).await;
    for sql in ["SELECT zeroblob(100000000)".to_owned(), format!("SELECT '{}'", "x".repeat(100_000))] {
        assert_eq!(memory.query(sql).await.map_err(|e| e.kind()), Err(ErrorKind::Invalid));
    }
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(memory.query(deep).await.map_err(|e| e.kind()), Err(ErrorKind::Invalid));
}

#[tokio::test]
async fn an_endless_query_is_cut_off_and_the_next_one_is_served() {
    let (memory, _folder) = folded(&everything()).await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let failure = memory.query(endless).await.expect_err("it never ends");
    assert_eq!(failure.kind(), ErrorKind::Late);
    assert_eq!(memory.query("SELECT 1").await.expect("served").rows, [vec![json!(1)]]);
}

#[tokio::test]
async fn a_file_can_be_asked_beside_its_memory_and_after_it() {
    let (memory, folder) = folded(&everything()).await;
    let path = folder.path().join("memory.sqlite");
    let count = || sinew_memory::sql::query_file(&path, "SELECT count(*) FROM runs").map(|table| table.rows);
    assert_eq!(count().expect("beside"), [vec![json!(7)]]);
    drop(memory);
    assert_eq!(count().expect("after"), [vec![json!(7)]]);
    let nowhere = sinew_memory::sql::query_file(&folder.path().join("none.sqlite"), "SELECT 1");
    assert_eq!(nowhere.map_err(|e| e.kind()), Err(ErrorKind::Missing));
}
