//! The first command that anybody calls, headless: every sample ends as called for, and of the labels after them nothing waits
//! for a person. The labels are of customers who come again, so that what is remembered of them is recalled and trusted.

use crate::support::{deployment, sinew};

#[tokio::test]
async fn the_demonstration_ends_as_its_samples_call_for() {
    let folder = tempfile::tempdir().expect("there is room");
    let (deployment, data) = (deployment().display().to_string(), folder.path().join("data").display().to_string());
    let ran = sinew(["--json", "demo", &deployment, "--once", "--data-dir", &data]).await;
    let told = ran.json();
    assert_eq!((ran.code, &told["ok"]), (Some(0), &true.into()), "{}", told["totals"]);
    let totals = &told["totals"];
    assert_eq!(
        (&totals["scans"], &totals["doubled"], &totals["lost"]),
        (&222.into(), &0.into(), &0.into()),
        "{totals}"
    );
    assert_eq!(totals["asked"], 9, "{totals}");
}
