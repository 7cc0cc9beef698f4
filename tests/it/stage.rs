//! A shop, a folder, and a hub that can be started there: where the suites of bad input and of the command line play.
//!
//! Whatever was done to a hub, it must be whole afterwards: [`Stage::is_whole`] hands a good photograph in, waits for the
//! refund in the shop's ledger, ends the hub and verifies the log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Ended, Hub, Launch, Ran, Shop, Story, text};

/// The longest that anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A shop and a folder.
pub struct Stage {
    pub folder: TempDir,
    pub shop: Shop,
}

impl Stage {
    pub async fn set() -> Self {
        let folder = TempDir::new().expect("a folder");
        let shop = Shop::start(folder.path()).await;
        Self { folder, shop }
    }

    pub fn launch(&self) -> Launch {
        Launch::new(self.folder.path(), &self.shop.url)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub async fn up(&self) -> Hub {
        self.launch().start().await.expect("the hub starts")
    }

    /// A command of `sinew` about this data directory.
    pub async fn sinew(&self, args: &[&str]) -> Ran {
        let data = [OsString::from("--data"), self.data().into_os_string()];
        support::sinew(data.into_iter().chain(args.iter().map(OsString::from))).await
    }

    /// A copy of the sample deployment, changed by `change`.
    pub fn changed(&self, change: impl FnOnce(&Path)) -> PathBuf {
        let copy = self.folder.path().join("deployment");
        drop(std::fs::remove_dir_all(&copy));
        copy_folder(&support::deployment(), &copy);
        change(&copy);
        copy
    }

    /// Hands a sample in and gives its run, once it waits or has ended.
    pub async fn scan(&self, hub: &Hub, file: &str) -> Value {
        let bytes = std::fs::read(support::sample(file)).expect("the sample is there");
        let (status, taken) = hub.scan(file, bytes, None).await.expect("the hub answers");
        assert_eq!(status, 201, "{file} is taken: {taken}");
        at_rest(hub, &taken["seq"]).await
    }

    /// One good photograph goes its whole way, the hub ends as asked, and the log verifies.
    pub async fn is_whole(&self, hub: Hub) {
        let mut story = Story::new(&["06-qr-glare.jpg"], 1);
        story.live(&hub).await.expect("the hub answers");
        let refunds = self.refunds("RMA-100006").await;
        assert_eq!(refunds, 1, "a good photograph is refunded, once: {:?}", story.scans);
        self.ends_well(hub).await;
    }

    /// The hub ends as asked, and its log verifies.
    pub async fn ends_well(&self, hub: Hub) {
        let said = hub.stderr();
        assert_eq!(hub.end().await.code(), Some(0), "{said}");
        assert_eq!(support::story::verify(&self.data()).await, Vec::<String>::new());
    }

    /// How many refunds of a return the shop has applied.
    pub async fn refunds(&self, rma: &str) -> usize {
        let of = |row: &&Value| text(row, "action") == "refund" && row["arguments"]["rma"] == rma;
        let ledger = self.shop.ledger().await;
        ledger.iter().filter(of).filter(|row| text(row, "applied") == "applied").count()
    }
}

/// The run that a scan started, once it waits for a person or has ended.
pub async fn at_rest(hub: &Hub, scan: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let (_, taken) = hub.get(&format!("/v1/scans/{scan}")).await.expect("the hub answers");
        let (_, run) = hub.get(&format!("/v1/runs/{}", text(&taken, "run"))).await.expect("the hub answers");
        let asks = text(&run, "status") == "waiting" && run["gate"].is_string();
        if asks || matches!(text(&run, "status"), "completed" | "faulted" | "cancelled") {
            return run;
        }
        assert!(begun.elapsed() < PATIENCE, "no rest within {PATIENCE:?}: {taken:#} {run:#}\n{}", hub.stderr());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A hub that must not start: its exit code, and what it said.
pub async fn refused(launch: &Launch) -> (Option<i32>, String) {
    match launch.start().await {
        Err(Ended { status, stderr, .. }) => (status.code(), stderr),
        Ok(hub) => panic!("the hub starts on {}: {}", launch.deployment.display(), hub.said),
    }
}

/// Changes a file's text.
pub fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.contains(from), "{} has `{from}`", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).expect("it is written");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name");
        match path.is_dir() {
            true if name == "data" || name == "samples" => {}
            true => copy_folder(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("copied")),
        }
    }
}
