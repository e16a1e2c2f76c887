//! What the program is made of: `assets/deny.toml` says which licences, sources and versions may be. The
//! same list is read by `cargo deny`, which asks more and is not everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::child::Finish;

/// One package of the program, of what builds it or of what tests it.
struct Package {
    name: String,
    version: String,
    licence: String,
    /// Where it comes from, where that is not the registry.
    elsewhere: Option<String>,
}

fn packages() -> Vec<Package> {
    let told = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["-e", "normal,build,dev", "-f", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .finish("cargo tree");
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let told = String::from_utf8(told.stdout).unwrap();
    let lines: BTreeSet<&str> = told
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    lines.into_iter().map(package).collect()
}

/// A line: `name v1.0.0 (proc-macro)|MIT`.
fn package(line: &str) -> Package {
    let (what, licence) = line.split_once('|').unwrap();
    let mut words = what.splitn(3, ' ');
    let name = words.next().unwrap().to_owned();
    let version = words.next().unwrap().trim_start_matches('v').to_owned();
    let rest = words.next().unwrap_or("").replace("(proc-macro)", "");
    let rest = rest.trim();
    Package {
        name,
        version,
        licence: licence.to_owned(),
        elsewhere: (!rest.is_empty()).then(|| rest.to_owned()),
    }
}

/// The strings of a list in `assets/deny.toml`.
fn listed(part: &str, key: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/deny.toml");
    let all: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let list = all[part][key].as_array().unwrap();
    let name = |entry: &toml::Value| match entry {
        toml::Value::Table(entry) => entry["crate"].as_str().unwrap().to_owned(),
        entry => entry.as_str().unwrap().to_owned(),
    };
    list.iter().map(name).collect()
}

/// Whether one may choose licences of this list so that the expression holds: of `OR` one side, of `AND`
/// both. Around an `AND` there are parentheses wherever an `OR` stands beside it.
fn may_be(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let licence = licence.trim().replace('/', " OR ");
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    let mut joint = None;
    for word in licence
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
    {
        depth += match word {
            "(" => 1,
            ")" => -1,
            _ => 0,
        };
        match word {
            "AND" | "OR" if depth == 0 => {
                assert!(joint.is_none_or(|joint| joint == word), "{licence}");
                joint = Some(if word == "AND" { "AND" } else { "OR" });
                parts.push(String::new());
            }
            word => {
                let part = parts.last_mut().unwrap();
                part.push_str(word);
                part.push(' ');
            }
        }
    }
    match joint {
        Some("AND") => parts.iter().all(|part| may_be(part, allowed)),
        Some(_) => parts.iter().any(|part| may_be(part, allowed)),
        None => {
            let alone = parts[0].trim();
            match alone
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'))
            {
                Some(inner) => may_be(inner, allowed),
                None => allowed.contains(alone),
            }
        }
    }
}

#[test]
fn every_dependency_has_a_licence_that_may_be_and_comes_from_the_registry() {
    let allowed = listed("licenses", "allow");
    for package in packages() {
        let Package { name, licence, .. } = &package;
        assert!(
            may_be(licence, &allowed),
            "{name} has the licence {licence:?}"
        );
        let ours = name == "stagegate";
        assert!(
            ours || package.elsewhere.is_none(),
            "{name} comes from {:?}",
            package.elsewhere
        );
    }
}

#[test]
fn no_crate_comes_in_two_versions_but_those_that_are_listed() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        versions
            .entry(package.name)
            .or_default()
            .insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let twice: BTreeSet<String> = versions.keys().cloned().collect();
    assert_eq!(
        twice,
        listed("bans", "skip"),
        "in assets/deny.toml stand those that come twice, and no others: {versions:?}"
    );
}

#[test]
fn a_licence_that_may_not_be_would_be_seen() {
    let allowed = ["MIT", "Zlib", "Apache-2.0"].map(str::to_owned).into();
    for licence in [
        "MIT",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Zlib",
        "MIT/Foo",
    ] {
        assert!(may_be(licence, &allowed), "{licence}");
    }
    for licence in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR Foo) AND Zlib",
        "MIT WITH x",
    ] {
        assert!(!may_be(licence, &allowed), "{licence}");
    }
    let package = package("x v1.0.0 (https://example.org/x#1)|MIT");
    assert!(package.elsewhere.is_some());
}
