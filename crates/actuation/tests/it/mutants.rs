//! The mutant does what it must not, so that a suite which watches the target can be shown to fail.

use std::sync::Arc;

use sinew_actuation::Act;
use sinew_actuation::faults::{Plan, Point};
use sinew_contract::*;

use crate::bench::*;

#[tokio::test]
async fn the_blind_retry_mutant_sends_an_unknown_again() {
    let mut bench = Bench::new();
    let plan = Arc::new(Plan::blind_retry());
    bench.act = Arc::new(Act::new(bench.parts()).with_faults(plan.clone()));
    bench.shop.will_write(Err(failure(ErrorKind::Broken, "cut")));
    let permit = bench.intend(&pay(1, "k", "O-1", 500)).await;
    assert_eq!(bench.act.carry_out(permit).await.word(), "done");
    assert_eq!(bench.shop.calls(), 2);
    assert_eq!(bench.act.settle(permit).await.word(), "done");
    assert_eq!((bench.shop.calls(), bench.shop.questions()), (3, 0));
    assert_eq!(Point::ALL.map(|point| plan.passed(point)), [1, 1]);
}
