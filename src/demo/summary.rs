//! The one summary: JSON for machines, a few lines for people.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use sinew_journal::{VerifyError, VerifyReport};

use super::judge::{Judge, Sample, Totals};
use super::say;

#[derive(Debug, Serialize)]
struct Latency {
    p50: Option<f64>,
    p95: Option<f64>,
    scans: usize,
}

#[derive(Debug, Serialize)]
struct Audit {
    ok: bool,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What `./start --once` prints.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    ok: bool,
    samples: &'a [Sample],
    totals: &'a Totals,
    latency_ms: Latency,
    audit: Audit,
    data_dir: PathBuf,
}

impl<'a> Summary<'a> {
    pub fn new(judge: &'a Judge, health: &Value, data: &Path, verified: Result<VerifyReport, VerifyError>) -> Self {
        let number = |name: &str| health.pointer(&format!("/numbers/{name}/value")).and_then(Value::as_f64);
        let latency =
            Latency { p50: number("latency_p50_ms"), p95: number("latency_p95_ms"), scans: judge.totals.scans };
        let audit = match verified {
            Ok(report) => Audit { ok: true, entries: report.entries, problem: None },
            Err(error) => Audit { ok: false, entries: 0, problem: Some(error.to_string()) },
        };
        let clean = judge.totals.doubled == 0 && judge.totals.lost == 0;
        let ok = clean && audit.ok && judge.samples.iter().all(|s| s.right);
        Self {
            ok,
            samples: &judge.samples,
            totals: &judge.totals,
            latency_ms: latency,
            audit,
            data_dir: data.to_owned(),
        }
    }

    pub fn right(&self) -> bool {
        self.ok
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap_or_default());
            return;
        }
        for sample in self.samples {
            let sign = if sample.right { "ok   " } else { "WRONG" };
            let asked = if sample.asked { "a person was asked" } else { "" };
            say(&format!("{sign} {:<28} {:<9} {:<15} {asked}", sample.file, sample.verdict, sample.outcome));
            sample.wrong.iter().for_each(|wrong| say(&format!("      {wrong}")));
        }
        let t = self.totals;
        say(&format!(
            "{} photographs: {} refunded, {} restocked, {} voided, {} messages; {} asked, {} refused; {} doubled, {} lost",
            t.scans, t.refunded, t.restocked, t.voided, t.messages, t.asked, t.refused, t.doubled, t.lost
        ));
        let ms = |n: Option<f64>| n.map_or("-".to_owned(), |n| format!("{n:.0} ms"));
        say(&format!("scan to verdict: p50 {}, p95 {}", ms(self.latency_ms.p50), ms(self.latency_ms.p95)));
        let audit = self.audit.problem.clone().unwrap_or_else(|| format!("verifies, {} entries", self.audit.entries));
        say(&format!("audit: {audit}; everything is in {}", self.data_dir.display()));
    }
}
