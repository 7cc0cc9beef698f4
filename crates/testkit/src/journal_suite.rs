//! What every `Journal` must answer, whatever disk or database it stands on.
//!
//! Does not know files, crashes or corruption: those are each implementation's own tests.

use std::sync::Arc;

use sinew_contract::{
    Cause, Digest, Draft, EntryRef, ErrorKind, Expect, Journal, Label, OfRun, Record, RunId, Seq, Stop, StopScope,
    Trust,
};

/// A draft that says nothing but `note`.
///
/// # Panics
/// Never: the principal's name is plain.
pub fn draft(note: &str) -> Draft {
    let stop = Stop { scope: StopScope::All, engaged: true, reason: note.to_owned() };
    Draft::new("person:ana".parse().expect("invariant: a plain name"), Record::Stop(stop))
}

/// What `draft` was told to say.
pub fn note_of(record: &Record) -> Option<&str> {
    match record {
        Record::Stop(stop) => Some(&stop.reason),
        _ => None,
    }
}

/// Runs the whole suite on an empty log.
///
/// # Panics
/// Where an answer is wrong: it is a test.
pub async fn run(journal: Arc<dyn Journal>) {
    let journal = journal.as_ref();
    an_empty_log_has_no_tail(journal).await;
    a_batch_stands_in_order_and_chained(journal).await;
    runs_and_causes_are_numbered_by_the_log(journal).await;
    everything_in_a_draft_comes_back(journal).await;
    a_bad_batch_is_refused_and_leaves_nothing(journal).await;
    a_touched_key_conflicts_and_an_untouched_one_does_not(journal).await;
    a_follower_sees_all_in_order_and_waits_for_more(journal).await;
    the_whole_log_is_one_chain(journal).await;
}

async fn append(journal: &dyn Journal, batch: Vec<Draft>) -> Vec<EntryRef> {
    journal.append(batch, Expect::Anything).await.expect("a good batch is taken").entries
}

async fn an_empty_log_has_no_tail(journal: &dyn Journal) {
    assert_eq!(journal.tail(), EntryRef { seq: Seq::ZERO, hash: Digest::ZERO });
    assert!(journal.read(Seq(1), 10).expect("reading nothing is fine").is_empty());
}

async fn a_batch_stands_in_order_and_chained(journal: &dyn Journal) {
    let refs = append(journal, vec![draft("one"), draft("two")]).await;
    assert_eq!(refs.iter().map(|r| r.seq).collect::<Vec<_>>(), [Seq(1), Seq(2)]);
    assert_eq!(Some(&journal.tail()), refs.last());
    let entries = journal.read(Seq::ZERO, 10).expect("it was appended");
    let notes: Vec<_> = entries.iter().map(|e| note_of(&e.record)).collect();
    assert_eq!(notes, [Some("one"), Some("two")]);
    assert_eq!(entries.iter().map(|e| e.reference()).collect::<Vec<_>>(), refs);
    assert_eq!(journal.read(Seq(2), 1).expect("it was appended").len(), 1);
}

async fn runs_and_causes_are_numbered_by_the_log(journal: &dyn Journal) {
    let mut starts = draft("starts");
    starts.run = OfRun::Starts;
    let mut follows = draft("follows");
    follows.cause = Cause::InBatch(0);
    let refs = append(journal, vec![starts, follows, draft("later").caused_by(Seq(1))]).await;
    let entries = journal.read(refs[0].seq, 3).expect("it was appended");
    let run = RunId { log: journal.id().tag(), seq: refs[0].seq };
    assert_eq!(entries.iter().map(|e| e.header.run).collect::<Vec<_>>(), [Some(run), None, None]);
    assert_eq!(entries.iter().map(|e| e.header.cause).collect::<Vec<_>>(), [None, Some(refs[0].seq), Some(Seq(1))]);
}

async fn everything_in_a_draft_comes_back(journal: &dyn Journal) {
    let mut given = draft("about a customer: größer, \u{1f4e6}");
    given.scope = "tenant-2".parse().expect("a plain name");
    given.observed = Some(sinew_contract::Timestamp(42));
    given.subjects = vec!["customer:c17".to_owned(), "order:o-1".to_owned()];
    given.touches = vec!["refund/o-1/1".to_owned()];
    given.labels.insert("/reason".to_owned(), Label::new("scan", Trust::Untrusted));
    let refs = append(journal, vec![given.clone()]).await;
    let entries = journal.read(refs[0].seq, 1).expect("it was appended");
    let entry = entries.first().expect("it was appended");
    assert_eq!((&entry.record, &entry.labels), (&given.record, &given.labels));
    let header = &entry.header;
    assert_eq!((&header.scope, &header.principal), (&given.scope, &given.principal));
    assert_eq!((Some(header.observed), header.kind), (given.observed, given.record.code()));
    assert_eq!((header.subjects.len(), header.touches.len()), (2, 1));
    assert_ne!(header.labels, Digest::ZERO);
}

async fn a_bad_batch_is_refused_and_leaves_nothing(journal: &dyn Journal) {
    let tail = journal.tail();
    let mut dangling = draft("caused by one that does not stand before");
    dangling.cause = Cause::InBatch(1);
    for batch in [Vec::new(), vec![draft("good"), dangling]] {
        let failure = journal.append(batch, Expect::Anything).await.expect_err("a bad batch is refused");
        assert_eq!(failure.kind(), ErrorKind::Invalid);
    }
    assert_eq!(journal.tail(), tail);
}

async fn a_touched_key_conflicts_and_an_untouched_one_does_not(journal: &dyn Journal) {
    let since = journal.tail().seq;
    let key = || vec![draft("reserves").touching("order/o-9/line/1")];
    let taken = journal.append(key(), Expect::Untouched { since }).await.expect("nobody touched it since");
    let failure = journal.append(key(), Expect::Untouched { since }).await.expect_err("it has been touched since");
    assert_eq!(failure.kind(), ErrorKind::Conflict);
    let other = vec![draft("reserves another").touching("order/o-9/line/2")];
    journal.append(other, Expect::Untouched { since }).await.expect("only its own touches matter");
    let now = taken.entries[0].seq;
    journal.append(key(), Expect::Untouched { since: now }).await.expect("folded up to the touch");
}

async fn a_follower_sees_all_in_order_and_waits_for_more(journal: &dyn Journal) {
    let mut follower = journal.follow(Seq(1));
    let tail = journal.tail().seq;
    let mut next = Seq(1);
    while next <= tail {
        for entry in follower.next(3).await.expect("the log is open") {
            assert_eq!(entry.seq(), next);
            next = next.next();
        }
    }
    let (more, _) = tokio::join!(follower.next(8), append(journal, vec![draft("late")]));
    assert_eq!(note_of(&more.expect("the log is open")[0].record), Some("late"));
}

async fn the_whole_log_is_one_chain(journal: &dyn Journal) {
    let entries = journal.read(Seq(1), usize::MAX).expect("all of it reads");
    let mut before = EntryRef { seq: Seq::ZERO, hash: Digest::ZERO };
    for entry in &entries {
        assert_eq!((entry.header.seq, entry.header.previous), (before.seq.next(), before.hash));
        assert_eq!(entry.header.log, journal.id());
        before = entry.reference();
    }
    assert_eq!(before, journal.tail());
}
