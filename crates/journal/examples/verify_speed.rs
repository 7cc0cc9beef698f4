//! How many entries per second the whole log is verified at: writes one and reads it again. Prints entries, bytes and rate.

use std::sync::Arc;
use std::time::Instant;

use sinew_contract::{Draft, Expect, Journal, Record, Stepped};
use sinew_journal::{DataDir, FileLog, Options, RealDisk, verify};
use sinew_testkit::SimClock;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: usize = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let dir = DataDir::open(Arc::new(RealDisk), folder.path())?;
    let (log, _) = FileLog::open(&dir, &Options::default(), Arc::new(SimClock::default()))?;
    let step = |n: usize| {
        let output = sinew_contract::Digest([u8::try_from(n % 256).unwrap_or(0); 32]);
        let task = format!("/do/{n}/step");
        Draft::new("agent:bench".parse().expect("a plain name"), Record::Stepped(Stepped { task, output, went: None }))
    };
    for batch in 0..wanted / 1_000 {
        log.append((0..1_000).map(|n| step(batch * 1_000 + n)).collect(), Expect::Anything).await?;
    }
    log.close().await;
    drop(dir);
    let rounds: usize = std::env::args().nth(2).map_or(Ok(3), |text| text.parse())?;
    for round in 1..=rounds {
        let begun = Instant::now();
        let report = verify(&RealDisk, folder.path())?;
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = report.entries as f64 / seconds;
        println!(
            "round {round}: {} entries in {} segments, {seconds:.3} s, {rate:.0} entries/s",
            report.entries, report.segments
        );
    }
    Ok(())
}
