//! The names that PostgreSQL takes for an encoding.

/// Other names for the single-byte ones, in small letters and digits alone.
const ALIASES: [(&str, &str); 37] = [
    ("abc", "WIN1258"),
    ("alt", "WIN866"),
    ("iso88591", "LATIN1"),
    ("iso885910", "LATIN6"),
    ("iso885913", "LATIN7"),
    ("iso885914", "LATIN8"),
    ("iso885915", "LATIN9"),
    ("iso885916", "LATIN10"),
    ("iso88592", "LATIN2"),
    ("iso88593", "LATIN3"),
    ("iso88594", "LATIN4"),
    ("iso88595", "ISO_8859_5"),
    ("iso88596", "ISO_8859_6"),
    ("iso88597", "ISO_8859_7"),
    ("iso88598", "ISO_8859_8"),
    ("iso88599", "LATIN5"),
    ("koi8", "KOI8R"),
    ("tcvn", "WIN1258"),
    ("tcvn5712", "WIN1258"),
    ("unicode", "UTF8"),
    ("utf8", "UTF8"),
    ("vscii", "WIN1258"),
    ("win", "WIN1251"),
    ("windows1250", "WIN1250"),
    ("windows1251", "WIN1251"),
    ("windows1252", "WIN1252"),
    ("windows1253", "WIN1253"),
    ("windows1254", "WIN1254"),
    ("windows1255", "WIN1255"),
    ("windows1256", "WIN1256"),
    ("windows1257", "WIN1257"),
    ("windows1258", "WIN1258"),
    ("windows866", "WIN866"),
    ("windows874", "WIN874"),
    ("sqlascii", "SQL_ASCII"),
    ("shiftjis", "SJIS"),
    ("mskanji", "SJIS"),
];

/// Those whose letters have more than one byte, in PostgreSQL's order.
const LONG: &str = "BIG5 EUC_CN EUC_JIS_2004 EUC_JP EUC_KR EUC_TW GB18030 GBK JOHAB MULE_INTERNAL \
    SHIFT_JIS_2004 SJIS UHC WIN932 WIN936 WIN949 WIN950 WINDOWS932 WINDOWS949";

/// As PostgreSQL compares names: letters and digits alone count, in either case.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// The name that PostgreSQL itself has for it, of those in `single` or `UTF8`, `SQL_ASCII`.
pub(super) fn own(name: &str, single: &[&'static str]) -> Option<&'static str> {
    let plain_name = plain(name);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == plain_name);
    let by_alias = alias.map(|(_, own)| *own);
    by_alias.or_else(|| {
        let mut all = single.iter().copied().chain(LONG.split(' '));
        all.find(|own| plain(own) == plain_name)
    })
}
