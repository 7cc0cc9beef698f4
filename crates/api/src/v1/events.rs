//! `/v1/events`: the durable log as server-sent events (HTML Standard, section 9.2), with resume.
//!
//! One event per entry: `id` is the seq, `event` the kind, `data` an `EntryRow`. A client that comes back with
//! `Last-Event-ID` misses nothing and sees nothing twice, since the log has no gaps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{Stream, StreamExt};
use serde::Deserialize;
use sinew_contract::Seq;
use tokio::sync::watch;

use super::Asked;
use crate::problem::Problem;
use crate::server::Api;
use crate::views::EntryRow;

/// 15 s: under the shortest idle time-out of common proxies (30 s).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// The first seq that is wanted; without it and without `Last-Event-ID`, only what comes from now on.
    #[serde(default)]
    #[param(value_type = Option<u64>)]
    from: Option<Seq>,
}

/// Follows the log.
#[utoipa::path(get, path = "/v1/events", tag = "watch",
    params(Start, ("Last-Event-ID" = Option<u64>, Header, description = "the last seq that was seen; goes before `from`")),
    responses((status = 200, body = EntryRow, content_type = "text/event-stream", description = "one event per entry"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn follow(
    State(api): State<Arc<Api>>,
    Asked(start): Asked<Start>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let from = begin(&headers, start.from, api.watch.tail())?;
    let permit = Arc::clone(&api.followers).try_acquire_owned().map_err(|_| crowded())?;
    let entries = api.watch.follow(from).take_until(closed(api.closing.clone()));
    // The permit lives in the stream and is given back when the client goes. A failure ends the stream: the client comes
    // back with `Last-Event-ID`.
    let events = entries.scan(permit, |_permit, entry| std::future::ready(entry.as_ref().map(event).ok()));
    Ok(Sse::new(events.map(Ok)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn begin(headers: &HeaderMap, from: Option<Seq>, tail: Seq) -> Result<Seq, Problem> {
    let Some(last) = headers.get("last-event-id") else { return Ok(from.unwrap_or(tail.next())) };
    let last: Option<u64> = last.to_str().ok().and_then(|text| text.parse().ok());
    let next = last.and_then(|seq| seq.checked_add(1));
    next.map(Seq).ok_or_else(|| Problem::invalid("`Last-Event-ID` is the seq of an entry: a number"))
}

fn crowded() -> Problem {
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many follow the log; try again soon");
    problem.retry_after_s = Some(5);
    problem
}

fn event(row: &EntryRow) -> Event {
    let event = Event::default().id(row.seq.to_string()).event(&row.kind);
    let data = serde_json::to_string(row).expect("invariant: a row is text and numbers");
    event.data(data)
}

/// Ready when the server closes; never where nobody could say so.
async fn closed(mut closing: watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_begins_after_what_it_saw_last() {
        let mut headers = HeaderMap::new();
        assert_eq!(begin(&headers, None, Seq(7)).expect("live"), Seq(8));
        assert_eq!(begin(&headers, Some(Seq(3)), Seq(7)).expect("from"), Seq(3));
        headers.insert("last-event-id", "41".parse().expect("a header"));
        assert_eq!(begin(&headers, Some(Seq(3)), Seq(7)).expect("resume"), Seq(42));
        for wrong in ["", "x", "-1", "18446744073709551615"] {
            headers.insert("last-event-id", wrong.parse().expect("a header"));
            assert_eq!(begin(&headers, None, Seq(7)).expect_err(wrong).status, 400);
        }
    }
}
