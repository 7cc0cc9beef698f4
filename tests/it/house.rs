//! Holds the plan of the house: who may import whom, where versions stand, what no file may hold.
//!
//! Reads manifests and sources as text, so that it needs no build of what it judges. A rule that is broken is told with
//! the file and what to do instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The ground, in the order of who may use whom.
const GROUND: &[&str] = &["sinew-contract", "sinew-expr"];
/// For tests alone.
const TESTKIT: &str = "sinew-testkit";
/// Files that may hold `unsafe`, each with a `// SAFETY:` on every block.
const UNSAFE_FILES: &[&str] = &["crates/memory/src/vectors/kernel.rs", "crates/reasoning/src/embed/minilm/product.rs"];
/// The ground stays small: it is what everybody has to know.
const CONTRACT_LINES_MAX: usize = 2_700;
const FILE_LINES_MAX: usize = 600;
const PORT_METHODS_MAX: usize = 5;
/// Not sources of ours.
const SKIPPED: &[&str] = &["target", ".git", ".sinew", "data", "node_modules"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// A path as people write it: from the root of the repository on.
fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

struct Package {
    folder: PathBuf,
    name: String,
    manifest: Table,
}

impl Package {
    fn load(folder: PathBuf) -> Self {
        let manifest: Table = read(&folder.join("Cargo.toml")).parse().expect("a manifest is TOML");
        let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        Self { folder, name, manifest }
    }

    /// Dependencies of one kind, also those that hang on a target.
    fn dependencies(&self, kind: &str) -> BTreeMap<String, Value> {
        let targets = self.manifest.get("target").and_then(Value::as_table);
        let of_targets = targets.into_iter().flat_map(|all| all.values()).filter_map(Value::as_table);
        let tables = std::iter::once(&self.manifest).chain(of_targets).filter_map(|table| table.get(kind)?.as_table());
        tables.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Packages of ours that it cannot be built without.
    fn imports(&self) -> BTreeSet<String> {
        let kinds = ["dependencies", "build-dependencies"];
        kinds.iter().flat_map(|kind| self.dependencies(kind).into_keys()).filter(|name| is_ours(name)).collect()
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("sinew")
}

fn folders(parent: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(parent)).expect("the folder is there");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    folders.sort();
    folders
}

fn crates() -> Vec<Package> {
    folders("crates").into_iter().map(Package::load).collect()
}

fn all_packages() -> Vec<Package> {
    let examples = folders("examples").into_iter().map(Package::load);
    crates().into_iter().chain(examples).chain([Package::load(root())]).collect()
}

fn rooms() -> Vec<Package> {
    let mut rooms = crates();
    rooms.retain(|package| !GROUND.contains(&package.name.as_str()) && package.name != TESTKIT);
    rooms
}

/// Every file of ours, sorted.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("readable").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8").to_owned();
            // In a linked worktree `.git` is a file.
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files().into_iter().filter(rust).map(|path| (path.clone(), read(&path))).collect()
}

/// Fails with all that is wrong at once.
fn hold(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn rooms_import_the_ground_only() {
    let broken: Vec<_> = rooms()
        .iter()
        .flat_map(|room| {
            let other = room.imports().into_iter().filter(|import| !GROUND.contains(&import.as_str()));
            other.map(|import| format!("{} imports {import}", room.name)).collect::<Vec<_>>()
        })
        .collect();
    hold("a room imports the ground only; what it needs from another room is a port in `contract`", &broken);
}

#[test]
fn the_ground_stands_on_nothing_of_ours() {
    for package in crates() {
        let allowed: &[&str] = match package.name.as_str() {
            "sinew-contract" => &[],
            "sinew-expr" | TESTKIT => &["sinew-contract"],
            _ => continue,
        };
        let broken: Vec<_> = package.imports().into_iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        hold(&format!("{} may import {allowed:?}", package.name), &broken);
    }
    let contract = Package::load(root().join("crates/contract"));
    let runtime = ["tokio", "futures", "rusqlite", "reqwest", "axum"];
    let broken: Vec<_> = contract.dependencies("dependencies").into_keys().collect();
    let broken: Vec<_> = broken.into_iter().filter(|name| runtime.contains(&name.as_str())).collect();
    hold("the contract knows no I/O and no runtime", &broken);
}

#[test]
fn testkit_is_for_tests_alone() {
    let importers = all_packages().into_iter().filter(|package| package.imports().contains(TESTKIT));
    hold("testkit is a dev-dependency", &importers.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn rooms_meet_only_under_the_roof() {
    // Tests may look at the ground, but not through another room either.
    let broken: Vec<_> = rooms()
        .iter()
        .flat_map(|room| {
            let ours = room.dependencies("dev-dependencies").into_keys().filter(|name| is_ours(name));
            let other = ours.filter(|name| !GROUND.contains(&name.as_str()) && name != TESTKIT);
            other.map(|name| format!("{} tests with {name}", room.name)).collect::<Vec<_>>()
        })
        .collect();
    hold("a test of several rooms stands in the root's tests/it", &broken);
    let roof = Package::load(root()).imports();
    let missing: Vec<_> = rooms().into_iter().map(|room| room.name).filter(|name| !roof.contains(name)).collect();
    hold("the roof knows every room", &missing);
}

#[test]
fn examples_stand_outside_the_house() {
    let examples = folders("examples").into_iter().map(Package::load);
    let broken = examples.filter(|example| !example.imports().is_empty()).map(|example| example.name);
    hold(
        "an example is a world of its own; it judges the house and shares no code with it",
        &broken.collect::<Vec<_>>(),
    );
}

#[test]
fn packages_are_named_after_their_folders() {
    let named = |package: &Package, prefix: &str| {
        let folder = package.folder.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
        package.name == format!("{prefix}{folder}")
    };
    let examples: Vec<_> = folders("examples").into_iter().map(Package::load).collect();
    let wrong = crates().into_iter().filter(|package| !named(package, "sinew-"));
    let wrong = wrong.chain(examples.into_iter().filter(|package| !named(package, "sinew-example-")));
    hold("a package is named sinew-<folder>", &wrong.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn versions_and_lints_stand_in_the_root_alone() {
    let from_root = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let mut broken = Vec::new();
    for package in all_packages() {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let own = package.dependencies(kind).into_iter().filter(|(_, value)| !from_root(value));
            broken.extend(own.map(|(name, _)| format!("{}: `{name}` is not `workspace = true`", package.name)));
        }
        if !package.manifest.get("lints").is_some_and(from_root) {
            broken.push(format!("{}: `[lints] workspace = true` is missing", package.name));
        }
    }
    hold("versions and lints stand in the root manifest", &broken);
}

#[test]
fn every_dependency_is_argued() {
    let manifest: Table = read(&root().join("Cargo.toml")).parse().expect("the root manifest is TOML");
    let all = manifest["workspace"]["dependencies"].as_table().expect("versions stand here");
    let argued = read(&root().join("docs/decisions/0002-dependencies.md"));
    let missing = all.keys().filter(|name| !is_ours(name) && !argued.contains(&format!("| `{name}` |")));
    hold("each dependency is argued in docs/decisions/0002-dependencies.md", &missing.cloned().collect::<Vec<_>>());
}

#[test]
fn every_crate_stands_in_the_plan() {
    let plan = read(&root().join("ARCHITECTURE.md"));
    let missing = crates().into_iter().filter(|package| {
        let folder = short(&package.folder);
        !plan.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{folder}`")))
    });
    hold("a table of ARCHITECTURE.md names every crate", &missing.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn nothing_is_unsafe() {
    // In two parts, so that this line does not find itself.
    let word = concat!("un", "safe");
    let openings = ["{", "fn", "impl", "trait", "extern"].map(|next| format!("{word} {next}"));
    let broken: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| openings.iter().any(|opening| text.contains(opening)))
        .map(|(path, _)| short(&path))
        .filter(|path| !UNSAFE_FILES.contains(&path.as_str()))
        .collect();
    hold("no file outside of the list holds unsafe code", &broken);
    let gone: Vec<_> =
        UNSAFE_FILES.iter().filter(|path| !root().join(path).is_file()).map(|p| (*p).to_owned()).collect();
    hold("the list names files that are there", &gone);
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines; cut it along its ideas", short(&path)));
        }
        if path.file_name().is_some_and(|name| name == concat!("mod", ".rs")) {
            broken.push(format!("{}: use foo.rs beside foo/", short(&path)));
        }
        if !text.starts_with("//!") {
            broken.push(format!("{}: opens without `//!`", short(&path)));
        }
    }
    hold("files read well", &broken);
}

#[test]
fn the_contract_stays_small() {
    let contract = root().join("crates/contract/src");
    let lines: usize =
        sources().iter().filter(|(path, _)| path.starts_with(&contract)).map(|(_, t)| t.lines().count()).sum();
    assert!(lines <= CONTRACT_LINES_MAX, "the contract has {lines} lines; it is what everybody has to know");
}

#[test]
fn a_port_is_narrow() {
    let text = read(&root().join("crates/contract/src/ports.rs"));
    let mut ports = 0;
    let mut broken = Vec::new();
    for port in text.split("\npub trait ").skip(1) {
        let name = port.split([':', ' ']).next().unwrap_or_default();
        let body = port.split("\n}").next().unwrap_or_default();
        let methods = body.lines().filter(|line| line.starts_with("    fn ") || line.starts_with("    async fn "));
        let methods = methods.count();
        ports += 1;
        if methods == 0 || methods > PORT_METHODS_MAX {
            broken.push(format!("{name}: {methods} methods"));
        }
    }
    hold("a port has one to five methods", &broken);
    assert!(ports >= 8, "only {ports} ports were found: this test no longer reads the file rightly");
}

/// What only the place where somebody works can know: it helps no reader and may say too much.
#[test]
fn the_house_speaks_of_itself_alone() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/t/"),
        concat!("/ho", "me/"),
        concat!(".carg", "o/registry"),
        concat!("index.crates", ".io"),
    ];
    let mut broken = Vec::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.file_name().is_some_and(|name| name == "Cargo.lock") {
            continue;
        }
        let found = words.iter().filter(|word| text.contains(**word));
        broken.extend(found.map(|word| format!("{}: holds `{word}`", short(&path))));
    }
    hold("no file names a place on somebody's machine", &broken);
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let folder = "crates/memory/src/store/sqlite";
    let here = files().into_iter().filter(|path| path.parent() == Some(&root().join(folder)));
    let names: Vec<_> = here.map(|path| short(&path)).filter(|path| path.ends_with(".sql")).collect();
    let starts = (1..).map(|number| format!("{folder}/{number:04}_"));
    let broken = names.iter().zip(starts).filter(|(name, start)| !name.starts_with(start));
    hold("migrations are NNNN_verb_noun.sql", &broken.map(|(name, _)| name.clone()).collect::<Vec<_>>());
    assert!(!names.is_empty(), "{folder} has migrations");
}
