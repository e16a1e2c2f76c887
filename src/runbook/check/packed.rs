//! A result as it is kept to the end of a run: a long script brings many, nearly all of one short row.

use super::{ResultRow, ResultSet};
use std::sync::Arc;

/// The rows of a result in one piece of memory, and the names of its columns, which many share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedRows {
    columns: Arc<[String]>,
    /// JSON: a list of rows, each a list of texts and nulls.
    rows: Box<str>,
}

impl PackedRows {
    pub fn pack(result: &ResultSet) -> PackedRows {
        // Lists of texts can be written whatever is in them.
        let rows = serde_json::to_string(&result.rows).unwrap_or_default();
        PackedRows {
            columns: Arc::clone(&result.columns),
            rows: rows.into(),
        }
    }

    /// The result again, of which the server sent `total` rows. It costs what all its rows cost.
    pub fn unpack(&self, total: u64) -> ResultSet {
        let rows: Vec<ResultRow> = serde_json::from_str(&self.rows).unwrap_or_default();
        ResultSet {
            columns: Arc::clone(&self.columns),
            rows,
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_result_comes_back_as_it_was(
            names in proptest::collection::vec(".*", 0..3),
            rows in proptest::collection::vec(
                proptest::collection::vec(proptest::option::of("(?s).*"), 0..4),
                0..5,
            ),
            total in 0..9_u64,
        ) {
            let set = ResultSet { columns: names.into(), rows, total };
            prop_assert_eq!(PackedRows::pack(&set).unpack(total), set);
        }
    }
}
