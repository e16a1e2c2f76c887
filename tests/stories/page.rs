//! The code on `assets/runbook.md`, so that what is tested is what a reader copies.
//!
//! A block of the worked example stands below a line with nothing but its file's name.

use std::path::Path;

/// A block of code on the page.
pub struct Block {
    pub file: Option<String>,
    pub language: String,
    pub text: String,
}

pub fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/runbook.md");
    std::fs::read_to_string(path).unwrap()
}

pub fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = "";
    let page = text();
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) => {
                let file = before
                    .strip_prefix('`')
                    .and_then(|rest| rest.strip_suffix('`'));
                open = Some(Block {
                    file: file.map(str::to_owned),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) if !line.is_empty() => before = line,
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block never ends");
    blocks
}

/// Writes the worked example into `folder`; its files.
pub fn write(folder: &Path) -> Vec<String> {
    let mut written = Vec::new();
    for block in blocks() {
        let Some(name) = block.file else { continue };
        assert!(
            name.ends_with(&block.language),
            "{name} in {}",
            block.language
        );
        let path = folder.join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, block.text).unwrap();
        written.push(name);
    }
    written
}
