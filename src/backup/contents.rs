//! The table of contents of a dump, as `pg_restore --list` writes it.

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub database: String,
    pub server: String,
    pub entries: usize,
    pub tables: usize,
}

/// Reads the list; `None` when it is not one.
pub(super) fn read_dump_list(list: &str) -> Option<Contents> {
    let said = |label: &str| {
        list.lines()
            .take_while(|line| line.starts_with(';') || line.is_empty())
            .find_map(|line| line.trim_start_matches(';').trim().strip_prefix(label))
            .map(|value| value.trim().to_owned())
    };
    let mut contents = Contents {
        database: said("dbname:")?,
        server: said("Dumped from database version:")?,
        entries: 0,
        tables: 0,
    };
    // `3456; 1259 16402 TABLE DATA public t owner`: id, then two numbers, then what it is.
    for line in list.lines().filter(|line| !line.starts_with(';')) {
        let Some((id, rest)) = line.split_once("; ") else {
            continue;
        };
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        contents.entries += 1;
        let what = rest.splitn(3, ' ').nth(2).unwrap_or_default();
        contents.tables += usize::from(what.starts_with("TABLE DATA "));
    }
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
;
; Archive created at 2026-03-07 21:00:00 UTC
;     dbname: wiser_ops
;     TOC Entries: 9
;     Compression: -1
;     Dumped from database version: 15.18 (Debian 15.18-0+deb12u1)
;     Dumped by pg_dump version: 15.18 (Debian 15.18-0+deb12u1)
;
;
; Selected TOC Entries:
;
6; 2615 16389 SCHEMA - service_ops postgres
216; 1259 16391 TABLE service_ops TABLE DATA postgres
3338; 0 16391 TABLE DATA service_ops packet postgres
3195; 2606 16398 CONSTRAINT service_ops packet packet_pkey postgres
";

    #[test]
    fn entries_and_tables_are_counted_by_what_they_are_not_by_their_names() {
        assert_eq!(
            read_dump_list(LIST),
            Some(Contents {
                database: "wiser_ops".into(),
                server: "15.18 (Debian 15.18-0+deb12u1)".into(),
                entries: 4,
                tables: 1,
            })
        );
        assert_eq!(read_dump_list("nothing of the kind"), None);
        assert_eq!(read_dump_list(""), None);
    }
}
