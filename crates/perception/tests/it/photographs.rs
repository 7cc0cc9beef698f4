//! Real photographs of labels (the black-box pictures of the ZXing project), where they are present: the folder `data/perception/barcodes`
//! below `$SINEW_SHARED`, or below `../shared` beside the repository. Absent, the tests say so and pass.

use std::path::{Path, PathBuf};

use sinew_contract::ReadVerdict;
use sinew_perception::{Format, ScanConfig, Scanner};

/// What came out, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    right: u32,
    wrong: u32,
    unread: u32,
    conflict: u32,
}

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SINEW_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/perception/barcodes");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no photographs at `{}`; set SINEW_SHARED to the folder that has them", folder.display());
    None
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "png" || e == "jpg"));
    paths.sort();
    paths
}

/// The text beside a picture: UTF-8 in `.txt`, ISO-8859-1 in `.bin`.
fn expected(picture: &Path) -> String {
    let latin = || std::fs::read(picture.with_extension("bin")).expect("a picture has its text beside it");
    let text = std::fs::read_to_string(picture.with_extension("txt"));
    text.unwrap_or_else(|_| latin().into_iter().map(char::from).collect())
}

fn score(scanner: &Scanner, pictures: &[PathBuf]) -> Score {
    let mut score = Score::default();
    for path in pictures {
        let bytes = std::fs::read(path).expect("the picture is readable");
        let scan = scanner.scan(&bytes).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()));
        let expected = expected(path);
        match (scan.verdict, scan.code) {
            (ReadVerdict::Read, Some(code)) if code == expected => score.right += 1,
            (ReadVerdict::Read, code) => {
                eprintln!("wrong: {} has {code:?}, not {expected:?}", path.display());
                score.wrong += 1;
            }
            (ReadVerdict::Conflict, _) => {
                let values: Vec<String> =
                    scan.claims.iter().map(|c| format!("{} {} {}", c.format, c.value, c.confidence_permille)).collect();
                eprintln!("conflict: {} has {values:?}", path.display());
                score.conflict += 1;
            }
            (ReadVerdict::Unread, _) => score.unread += 1,
        }
    }
    score
}

fn scanner(formats: &[Format]) -> Scanner {
    Scanner::new(ScanConfig { formats: formats.to_vec(), ..ScanConfig::default() }).expect("formats are listed")
}

fn families(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("the folder is readable");
    let mut families: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    families.retain(|p| !p.ends_with("falsepositives-2"));
    families.sort();
    families
}

#[test]
fn pictures_without_a_code_are_never_read() {
    let Some(root) = folder() else { return };
    let negatives = pictures(&root.join("falsepositives-2"));
    assert!(!negatives.is_empty());
    for scanner in [scanner(&ScanConfig::default().formats), scanner(&Format::ALL)] {
        for path in &negatives {
            let scan = scanner.scan(&std::fs::read(path).expect("readable")).expect("a picture");
            assert_eq!(scan.verdict, ReadVerdict::Unread, "{}: {:?}", path.display(), scan.claims);
        }
    }
}

#[test]
fn real_photographs_are_read_and_hardly_ever_misread() {
    let Some(root) = folder() else { return };
    let scanner = scanner(&Format::ALL);
    let mut total = Score::default();
    for family in families(&root) {
        let score = score(&scanner, &pictures(&family));
        eprintln!("{:>14}: {score:?}", family.file_name().unwrap_or_default().to_string_lossy());
        total.right += score.right;
        total.wrong += score.wrong;
        total.unread += score.unread;
        total.conflict += score.conflict;
    }
    eprintln!("total: {total:?}");
    assert!(total.right >= 176, "{total:?}");
    assert!(total.wrong <= 2, "{total:?}");
}
