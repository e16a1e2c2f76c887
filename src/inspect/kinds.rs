//! Types in the server's own spelling: `varchar(10)` as `character varying(10)`.
//!
//! The server knows the name; where its number of digits or its length belongs in it is put back
//! here, for the function that looks a type up by its name says nothing of them.

/// The question for the server's spelling of a type, without what stands in parentheses.
pub(super) fn question(kind: &str) -> String {
    let base = parts(kind).base.replace('\\', "\\\\").replace('\'', "''");
    format!("SELECT pg_catalog.format_type(pg_catalog.to_regtype(E'{base}')::pg_catalog.oid, NULL)")
}

struct Parts {
    base: String,
    arguments: Option<String>,
    array: bool,
}

fn parts(kind: &str) -> Parts {
    let mut base = kind.trim().to_owned();
    let mut array = false;
    if let Some(at) = base.find('[') {
        base.truncate(at);
        array = true;
    }
    let mut words: Vec<&str> = base.split_whitespace().collect();
    if words
        .last()
        .is_some_and(|word| word.eq_ignore_ascii_case("array"))
    {
        words.pop();
        array = true;
    }
    let mut base = words.join(" ");
    let mut arguments = None;
    if let (Some(open), Some(close)) = (base.find('('), base.rfind(')'))
        && open < close
        && !base.contains('"')
    {
        let inside = base.get(open + 1..close).unwrap_or_default();
        arguments = Some(inside.replace(' ', ""));
        let before = base.get(..open).unwrap_or_default().trim();
        let after = base.get(close + 1..).unwrap_or_default().trim();
        base = format!("{before} {after}").trim().to_owned();
    }
    base = match base.to_ascii_lowercase().as_str() {
        "serial" | "serial4" => "integer".into(),
        "bigserial" | "serial8" => "bigint".into(),
        "smallserial" | "serial2" => "smallint".into(),
        "float" if arguments.is_some() => {
            let digits: u32 = arguments.take().and_then(|n| n.parse().ok()).unwrap_or(53);
            if digits <= 24 {
                "real"
            } else {
                "double precision"
            }
            .into()
        }
        _ => base,
    };
    Parts {
        base,
        arguments,
        array,
    }
}

/// A type as the server writes it; `spelt` is its answer to [`question`].
pub(super) fn whole(kind: &str, spelt: &str) -> String {
    let Parts {
        arguments, array, ..
    } = parts(kind);
    let arguments = match (spelt, arguments) {
        ("character" | "bit", None) => Some("1".to_owned()),
        ("numeric", Some(one)) if !one.contains(',') => Some(format!("{one},0")),
        (_, arguments) => arguments,
    };
    let mut text = match (arguments, spelt.split_once(' ')) {
        (None, _) => spelt.to_owned(),
        (Some(arguments), Some((first, rest))) if rest.ends_with("time zone") => {
            format!("{first}({arguments}) {rest}")
        }
        (Some(arguments), _) => format!("{spelt}({arguments})"),
    };
    if array {
        text.push_str("[]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_parentheses_comes_back_where_the_server_writes_it() {
        for (kind, spelt, want) in [
            ("varchar(10)", "character varying", "character varying(10)"),
            (
                "varchar ( 10 ) []",
                "character varying",
                "character varying(10)[]",
            ),
            ("int ARRAY", "integer", "integer[]"),
            ("int[3][]", "integer", "integer[]"),
            ("numeric(5)", "numeric", "numeric(5,0)"),
            ("numeric(5, 2)", "numeric", "numeric(5,2)"),
            ("char", "character", "character(1)"),
            (
                "timestamptz(3)",
                "timestamp with time zone",
                "timestamp(3) with time zone",
            ),
            (
                "time(3) with time zone",
                "time with time zone",
                "time(3) with time zone",
            ),
            ("float(10)", "real", "real"),
            ("text", "text", "text"),
        ] {
            assert_eq!(whole(kind, spelt), want, "{kind}");
        }
        assert!(question("time(3) with time zone").contains("E'time with time zone'"));
        assert!(question("float(10)").contains("E'real'"));
        assert!(question("x'y").contains("E'x''y'"));
    }
}
