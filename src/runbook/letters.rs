//! What the letters of a runbook's files are in: a database that converts nothing gets their bytes.

use super::Runbook;
use super::encoding::Charset;
use super::script::Script;

impl Runbook {
    /// The encoding in which all letters beyond ASCII stand that may be sent; `None` where there are none.
    ///
    /// # Errors
    /// In words, where it is not one, or letters come from elsewhere than a file.
    pub fn letters_in(&self) -> Result<Option<Charset>, String> {
        let scripts = std::iter::once(&self.script).chain(self.check_files());
        letters_in(&scripts.collect::<Vec<_>>())
    }
}

impl Script {
    /// The same of its own files.
    ///
    /// # Errors
    /// As [`Runbook::letters_in`].
    pub fn letters_in(&self) -> Result<Option<Charset>, String> {
        letters_in(&[self])
    }
}

fn letters_in(scripts: &[&Script]) -> Result<Option<Charset>, String> {
    let mut all = scripts.iter().flat_map(|script| letters_of(script));
    let Some((first, encoding)) = all.next() else {
        return Ok(None);
    };
    if let Some((other, another)) = all.find(|(_, another)| *another != encoding) {
        return Err(match other == first {
            true => format!("letters of {first} are in {encoding} and in {another}"),
            false => {
                format!("letters of {first} are in {encoding} and those of {other} in {another}")
            }
        });
    }
    let charset = Charset::named(encoding)?;
    let mut given = scripts.iter().flat_map(|script| &script.variables);
    match given.find(|(_, value)| !value.is_ascii()) {
        Some((name, _)) if charset != Charset::Utf8 => Err(format!(
            "the value of -v {name} is in the encoding of the terminal and the script in {encoding}"
        )),
        _ => Ok(Some(charset)),
    }
}

/// The files of a script that have letters beyond ASCII, each with what they are in.
fn letters_of(script: &Script) -> impl Iterator<Item = (&str, &str)> {
    let sources = script.sources.iter();
    let sources = sources.map(|source| (&*source.name, &*source.text, &source.encodings));
    let data = script.data.iter();
    let data = data.map(|file| (&*file.name, &*file.text, &file.encodings));
    sources.chain(data).flat_map(|(name, text, encodings)| {
        let plain = encodings.is_empty() && !text.is_ascii();
        let utf8 = plain.then(|| Charset::Utf8.name());
        let all = encodings.iter().copied().chain(utf8);
        all.map(move |encoding| (name, encoding))
    })
}
