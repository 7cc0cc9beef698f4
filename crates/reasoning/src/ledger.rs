//! What the deployment's models have used, and what they may: per run, per playbook and day, per day, per month.
//!
//! A call draws the most that it can use before it goes out, and settles what it used. So that it waits for no commit of its
//! own, it draws from a *block* that was set aside in the journal before. What a crash leaves of a block counts as used.
//!
//! Does not know the journal's form: `books` writes, and hands back what it reads after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sinew_contract::{Ask, BudgetReserved, Entry, ModelCalled, Record, RunId, Timestamp};

use crate::call_error::CallError;
use crate::catalogue::{Budgets, Limit};

/// Calls in a block at first. 32: one sync for so many calls, and at most so many are over-charged by a crash.
const BLOCK_CALLS: u64 = 32;
/// Calls in a block under load.
const BLOCK_CALLS_MAX: u64 = 1_024;
/// A block takes at most this part of the smallest daily or monthly limit, so that a crash does not eat a budget.
const BLOCK_PART: u64 = 16;
/// Blocks that follow each other faster than this grow.
const BLOCK_LIFE: Duration = Duration::from_secs(1);

/// Calls, tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Calls.
    pub calls: u64,
    /// Tokens, in and out.
    pub tokens: u64,
    /// Millionths of the deployment's currency.
    pub micros: i64,
}

impl Amount {
    /// One call.
    pub(crate) const fn call(tokens: u64, micros: i64) -> Self {
        Self { calls: 1, tokens, micros }
    }

    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.micros = self.micros.saturating_add(more.micros);
    }

    fn take(&mut self, less: Self) {
        self.calls = self.calls.saturating_sub(less.calls);
        self.tokens = self.tokens.saturating_sub(less.tokens);
        self.micros = self.micros.saturating_sub(less.micros).max(0);
    }

    const fn covers(&self, need: Self) -> bool {
        self.calls >= need.calls && self.tokens >= need.tokens && self.micros >= need.micros
    }

    /// Which of the three, where this and `need` together are over a limit.
    fn over(&self, need: Self, limit: &Limit) -> Option<&'static str> {
        let over = |now: u64, more: u64, max: Option<u64>| max.is_some_and(|max| now.saturating_add(more) > max);
        let money = limit.micros.is_some_and(|max| self.micros.saturating_add(need.micros) > max);
        let calls = over(self.calls, need.calls, limit.calls).then_some("calls");
        calls.or(over(self.tokens, need.tokens, limit.tokens).then_some("tokens")).or(money.then_some("money"))
    }
}

/// The day and month of a moment, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day {
    year: i16,
    month: i8,
    day: i8,
}

impl Day {
    fn of(at: Timestamp) -> Self {
        let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
        let date = jiff::tz::Offset::UTC.to_datetime(at).date();
        Self { year: date.year(), month: date.month(), day: date.day() }
    }

    const fn month(self) -> Self {
        Self { day: 0, ..self }
    }
}

/// Who pays for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    run: RunId,
    playbook: Option<String>,
    day: Day,
}

/// A call that has drawn and not yet settled.
#[derive(Debug)]
pub(crate) struct Drawn {
    account: Account,
    pub(crate) most: Amount,
}

/// What a draw came to.
#[derive(Debug)]
pub(crate) enum Draw {
    /// It may go out; `low` says that the block should be filled up soon.
    Taken { drawn: Drawn, low: bool },
    /// The block does not cover it: it is to be filled up first.
    Short,
}

/// All accounts.
#[derive(Debug)]
pub(crate) struct Ledger {
    budgets: Budgets,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Amount>,
    playbooks: BTreeMap<(Day, String), Amount>,
    /// Days, and months as their day 0.
    days: BTreeMap<Day, Amount>,
    block: Amount,
    block_calls: u64,
    filled: Timestamp,
    under_way: u64,
    fold: Fold,
}

/// What only the reading of an old log needs.
#[derive(Debug, Default)]
struct Fold {
    /// Set aside and not settled by the process whose entries are being read.
    open: Amount,
    opened: Timestamp,
    alive: BTreeSet<RunId>,
    playbook_of: BTreeMap<RunId, String>,
    /// Runs that were alive when a process ended without order: each may have made a call that the log does not show.
    suspects: BTreeMap<RunId, Amount>,
    live: bool,
}

impl Ledger {
    pub(crate) fn new(budgets: Budgets) -> Self {
        Self { budgets, state: Mutex::default() }
    }

    /// The limits of one question.
    pub(crate) const fn action(&self) -> &Limit {
        &self.budgets.action
    }

    /// What has been used on the day and in the month of `now`.
    pub(crate) fn used(&self, now: Timestamp) -> (Amount, Amount) {
        let (state, day) = (self.state(), Day::of(now));
        let of = |day| state.days.get(&day).copied().unwrap_or_default();
        (of(day), of(day.month()))
    }

    /// Takes the most that a call can use from the block and all accounts, or says which budget stands against it.
    pub(crate) fn draw(&self, ask: &Ask, most: Amount, now: Timestamp) -> Result<Draw, CallError> {
        let playbook = ask.more.playbook.as_ref().map(ToString::to_string);
        let account = Account { run: ask.effect.run, playbook, day: Day::of(now) };
        let mut state = self.state();
        if let Some(lost) = state.fold.suspects.remove(&account.run) {
            state.runs.entry(account.run).or_default().add(lost);
        }
        self.check(&state, &account, most)?;
        if !state.block.covers(most) {
            return Ok(Draw::Short);
        }
        state.block.take(most);
        state.charge(&account, most);
        state.under_way += 1;
        let low = state.block.calls < state.block_calls / 2;
        Ok(Draw::Taken { drawn: Drawn { account, most }, low })
    }

    fn check(&self, state: &State, account: &Account, most: Amount) -> Result<(), CallError> {
        let of_day = |day| state.days.get(&day).copied().unwrap_or_default();
        let run = state.runs.get(&account.run).copied().unwrap_or_default();
        let mut all = vec![
            ("the run", run, &self.budgets.run),
            ("the day", of_day(account.day), &self.budgets.day),
            ("the month", of_day(account.day.month()), &self.budgets.month),
        ];
        if let Some(name) = &account.playbook
            && let Some(limit) = self.budgets.playbooks.get(name)
        {
            let used = state.playbooks.get(&(account.day, name.clone())).copied().unwrap_or_default();
            all.push(("the playbook's day", used, limit));
        }
        match all.iter().find_map(|(whose, used, limit)| Some((whose, used.over(most, limit)?))) {
            Some((whose, what)) => Err(CallError::Budget { said: format!("{whose} has not enough {what} left") }),
            None => Ok(()),
        }
    }

    /// Puts what a call really used in the place of what it could have used.
    pub(crate) fn settle(&self, drawn: &Drawn, tokens: u64, micros: i64) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        state.discharge(&drawn.account, drawn.most);
        state.charge(&drawn.account, Amount::call(tokens, micros));
    }

    /// The next block that covers `need`, and more where that is allowed; none where the block is full enough.
    pub(crate) fn next_block(&self, need: Amount, now: Timestamp) -> Option<BudgetReserved> {
        let mut state = self.state();
        if state.block.covers(need) && state.block.calls >= state.block_calls / 2 {
            return None;
        }
        let quick = now.since(state.filled) < BLOCK_LIFE;
        let calls = if quick { (state.block_calls * 2).min(BLOCK_CALLS_MAX) } else { BLOCK_CALLS };
        (state.block_calls, state.filled) = (calls.max(BLOCK_CALLS), now);
        let limits = [&self.budgets.day, &self.budgets.month];
        let part = |of: fn(&Limit) -> Option<u64>| limits.iter().filter_map(|limit| of(limit)).min();
        let size = |need: u64, max: Option<u64>| {
            let wanted = need.saturating_mul(state.block_calls);
            wanted.min(max.unwrap_or(u64::MAX) / BLOCK_PART).max(need)
        };
        let micros = size(positive(need.micros), part(|limit| limit.micros.map(positive)));
        Some(BudgetReserved {
            calls: u32::try_from(size(1, part(|limit| limit.calls))).unwrap_or(u32::MAX),
            tokens: size(need.tokens, part(|limit| limit.tokens)),
            micros: i64::try_from(micros).unwrap_or(i64::MAX),
            closed: false,
        })
    }

    /// A block stands in the journal.
    pub(crate) fn filled(&self, block: &BudgetReserved) {
        self.state().block.add(amount(block));
    }

    /// Says whether something was set aside, and nothing is under way.
    pub(crate) fn is_open_and_idle(&self) -> bool {
        let state = self.state();
        state.under_way == 0 && state.filled != Timestamp(0)
    }

    /// Reads an entry: all of an old log, and of the own one only which runs there are.
    pub(crate) fn observe(&self, entry: &Entry) {
        let mut state = self.state();
        match &entry.record {
            Record::RunStarted(run) => {
                let id = RunId { log: entry.header.log.tag(), seq: entry.seq() };
                state.fold.alive.insert(id);
                if !state.fold.live {
                    state.fold.playbook_of.insert(id, run.playbook.to_string());
                }
            }
            Record::RunEnded(_) => entry.header.run.into_iter().for_each(|run| state.forget(run)),
            Record::ModelCalled(call) if !state.fold.live => state.read_call(call, entry.header.recorded),
            Record::BudgetReserved(block) if !state.fold.live => state.read_block(block, entry.header.recorded),
            Record::Booted(_) if !state.fold.live => state.read_boot(),
            _ => {}
        }
    }

    /// The old log has been read; what is left open in it was left by a process that is gone.
    pub(crate) fn recovered(&self) {
        let mut state = self.state();
        state.read_boot();
        state.fold.live = true;
        state.fold.playbook_of.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn charge(&mut self, account: &Account, amount: Amount) {
        self.runs.entry(account.run).or_default().add(amount);
        self.days.entry(account.day).or_default().add(amount);
        self.days.entry(account.day.month()).or_default().add(amount);
        if let Some(name) = &account.playbook {
            self.playbooks.entry((account.day, name.clone())).or_default().add(amount);
        }
    }

    fn discharge(&mut self, account: &Account, amount: Amount) {
        self.runs.entry(account.run).or_default().take(amount);
        self.days.entry(account.day).or_default().take(amount);
        self.days.entry(account.day.month()).or_default().take(amount);
        if let Some(name) = &account.playbook {
            self.playbooks.entry((account.day, name.clone())).or_default().take(amount);
        }
    }

    fn forget(&mut self, run: RunId) {
        self.runs.remove(&run);
        self.fold.alive.remove(&run);
        self.fold.playbook_of.remove(&run);
        self.fold.suspects.remove(&run);
    }

    fn read_call(&mut self, call: &ModelCalled, at: Timestamp) {
        let run = call.effect.run;
        let playbook = self.fold.playbook_of.get(&run).cloned();
        let tokens = call.tokens_in.saturating_add(call.tokens_out);
        self.charge(&Account { run, playbook, day: Day::of(at) }, Amount::call(tokens, call.cost.micros));
        self.fold.open.take(Amount::call(call.drawn_tokens, call.drawn_micros));
    }

    fn read_block(&mut self, block: &BudgetReserved, at: Timestamp) {
        if block.closed {
            self.fold.open = Amount::default();
            return;
        }
        self.fold.open.add(amount(block));
        self.fold.opened = at;
    }

    /// A process begins: what the one before left open counts as used, by the day and by each run that was alive.
    fn read_boot(&mut self) {
        let lost = std::mem::take(&mut self.fold.open);
        if lost == Amount::default() {
            return;
        }
        let day = Day::of(self.fold.opened);
        self.days.entry(day).or_default().add(lost);
        self.days.entry(day.month()).or_default().add(lost);
        let calls = i64::try_from(lost.calls.max(1)).unwrap_or(i64::MAX);
        let one = Amount::call(
            lost.tokens.div_ceil(lost.calls.max(1)),
            lost.micros / calls + i64::from(lost.micros % calls > 0),
        );
        let alive: Vec<_> = self.fold.alive.iter().copied().collect();
        alive.into_iter().for_each(|run| self.fold.suspects.entry(run).or_default().add(one));
    }
}

fn amount(block: &BudgetReserved) -> Amount {
    Amount { calls: u64::from(block.calls), tokens: block.tokens, micros: block.micros }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
