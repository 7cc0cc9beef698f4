//! A deployment is a folder that one can read, diff and review. This file reads it whole, as text.
//!
//! Does not know what the texts mean: `assembly` hands them to the rooms that do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sinew_api::people::Person;
use sinew_contract::Digest;

use crate::config::{Config, Overrides};

/// A text file larger than this is a mistake, not a playbook.
const TEXT_MAX: u64 = 1 << 20;

/// The folders that belong to a deployment, and the endings of their files.
const FOLDERS: [(&str, &str); 8] = [
    ("playbooks", "yaml"),
    ("policies", "cedar"),
    ("capabilities", "toml"),
    ("rules", "toml"),
    ("templates", "toml"),
    ("agents", "toml"),
    ("devices", "toml"),
    ("models", "toml"),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleFile {
    people: Vec<Person>,
}

/// The folder, read whole.
#[derive(Debug)]
pub struct Deployment {
    /// Where it is.
    pub folder: PathBuf,
    /// Its settings.
    pub config: Config,
    /// Who works here.
    pub people: Vec<Person>,
    /// Digest of all its texts: what a run is pinned to.
    pub digest: Digest,
    texts: BTreeMap<(&'static str, String), String>,
}

impl Deployment {
    /// Reads a folder.
    ///
    /// # Errors
    /// Names the file that is missing, too large, not text, or wrong.
    pub fn read(folder: &Path, overrides: &Overrides) -> Result<Self> {
        let config = Config::read(folder, overrides)?;
        let people = read_people(&folder.join("people.toml"))?;
        check_role(&config.gates.role, &people)?;
        let mut texts = BTreeMap::new();
        for (name, ending) in FOLDERS {
            for (file, text) in read_folder(&folder.join(name), ending)? {
                texts.insert((name, file), text);
            }
        }
        let all: Vec<_> = texts.iter().map(|((dir, file), text)| (dir, file, text)).collect();
        let digest = sinew_expr::digest_of(&all);
        Ok(Self { folder: folder.to_owned(), config, people, digest, texts })
    }

    /// The files of one of its folders: `(file name, text)`, by name.
    pub fn texts(&self, folder: &str) -> Vec<(String, String)> {
        let of_folder = self.texts.iter().filter(|((dir, _), _)| *dir == folder);
        of_folder.map(|((_, file), text)| (file.clone(), text.clone())).collect()
    }

    /// All roles that people have.
    pub fn roles(&self) -> impl Iterator<Item = String> {
        self.people.iter().flat_map(|p| p.roles.iter().cloned())
    }
}

fn read_people(path: &Path) -> Result<Vec<Person>> {
    let text = read_text(path)?;
    let file: PeopleFile = toml::from_str(&text).with_context(|| format!("`{}` is not right", path.display()))?;
    if file.people.is_empty() {
        bail!("`{}` names nobody; gates need at least one person", path.display());
    }
    Ok(file.people)
}

/// A gate that nobody may answer would only ever time out.
fn check_role(role: &str, people: &[Person]) -> Result<()> {
    if people.iter().any(|person| person.roles.iter().any(|own| own == role)) {
        return Ok(());
    }
    bail!("`gates.role` in sinew.toml is `{role}`, and nobody in people.toml has this role; give it to a person")
}

/// The files of any folder with this ending: `(file name, text)`, by name.
///
/// # Errors
/// Where there is no such folder, or a file in it is too large or not text.
pub fn read_texts(folder: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    if !folder.is_dir() {
        bail!("`{}` is not a folder", folder.display());
    }
    read_folder(folder, ending)
}

/// The files of a folder with this ending; an absent folder is an empty one.
fn read_folder(folder: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot list `{}`", folder.display())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list `{}`", folder.display()))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|e| e == ending) && !name.starts_with('.') {
            files.push((name, read_text(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn read_text(path: &Path) -> Result<String> {
    let len = std::fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?.len();
    if len > TEXT_MAX {
        bail!("`{}` has {len} bytes; a file of a deployment has at most {TEXT_MAX}", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}` as UTF-8 text", path.display()))
}
