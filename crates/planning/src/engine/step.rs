//! How a run moves: into a task, out of it, to the next, into a handler, until it asks something or ends.
//!
//! Does not know questions and answers. One loop, no recursion: how deep lists nest costs no stack.
//!
//! ```text
//! Enter -> (action) -> Done -> Enter …            the next task of the list
//!             │          └──> Close -> Done …      the list is done, so is the task it belongs to
//!             ├── Fault -> handler -> Enter …      or the run ends faulted
//!             └── Wait                             a question was asked
//! ```

use std::sync::Arc;

use sinew_contract::{Digest, EffectId, Fault, Label, RunEnd, Stepped, Timestamp, Trust};
use sinew_expr::{Schema, digest, digest_value};

use super::flow::Flow;
use super::live::{Active, Frame, Live, Moment, Phase, State, TryState, placed};
use super::scope::Scope;
use crate::playbook::{Action, BlockId, Case, Catch, Durability, Expr, Retry, Shape, Task, Then, read_duration};
use crate::switched::off;
use crate::{Effect, faults};

/// Tasks passed by one entry. Far above any honest playbook between two questions; a loop that asks nothing ends here.
const STEPS_PER_ENTRY_MAX: u32 = 10_000;

/// Where a run goes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Into the task at the place of the innermost list, with this raw input.
    Enter(Flow),
    /// The innermost task has this raw output.
    Done(Flow),
    /// The innermost list is done with this output.
    Close(Flow),
    /// The innermost list is left early with this output.
    Exit(Flow),
    /// The innermost task listens and has heard something, or is done with what it heard.
    Listened,
    /// The innermost task failed.
    Fault(Fault),
    /// The run ends with this output.
    End(Flow),
    /// A question was asked.
    Wait,
}

impl Live {
    /// Begins a run.
    pub fn begin(&mut self, now: Moment) {
        let playbook = Arc::clone(&self.playbook);
        let scope = Scope::of_run(self);
        match shaped(&scope, &playbook.input, &self.raw) {
            Ok(input) => {
                self.input = input.clone();
                if let Some(after) = playbook.timeout.filter(|_| !off("run-timeout")) {
                    self.timeout = Some(self.set_timer(after, now));
                }
                self.frames.push(Frame { block: playbook.root, at: 0, active: None });
                self.drive(Next::Enter(input), now);
            }
            Err(fault) => self.finish(RunEnd::Faulted { error: fault }, now),
        }
    }

    /// Moves until a question is asked or the run ends.
    pub fn drive(&mut self, mut next: Next, now: Moment) {
        for _ in 0..STEPS_PER_ENTRY_MAX {
            next = match next {
                Next::Enter(raw) if self.waits_for_disk() => {
                    self.held.push_back((self.strand, raw));
                    Next::Wait
                }
                Next::Enter(raw) => self.enter(raw, now).unwrap_or_else(Next::Fault),
                Next::Done(raw) => self.done(&raw, now).unwrap_or_else(Next::Fault),
                Next::Close(output) => self.close(output, false, now).unwrap_or_else(Next::Fault),
                Next::Exit(output) => self.close(output, true, now).unwrap_or_else(Next::Fault),
                Next::Listened => self.listened().unwrap_or_else(Next::Fault),
                Next::Fault(fault) => match self.fault(fault, now) {
                    Ok(next) => next,
                    Err(fault) => return self.finish(RunEnd::Faulted { error: fault }, now),
                },
                Next::End(output) => return self.complete(&output, now),
                Next::Wait => match self.ready.pop_front() {
                    Some((strand, next)) => {
                        self.switch_to(strand);
                        next
                    }
                    None => return,
                },
            };
        }
        let detail = format!("it took {STEPS_PER_ENTRY_MAX} steps without asking anything");
        let mut fault = faults::runtime(detail);
        fault.instance = self.pointer();
        self.finish(RunEnd::Faulted { error: fault }, now);
    }

    /// Says whether the next task must wait until those that were passed are on disk.
    fn waits_for_disk(&self) -> bool {
        let more = || self.frames.last().is_some_and(|f| self.playbook.block(f.block).get(f.at).is_some());
        self.playbook.durability == Durability::Strict && self.next_note().is_some() && more()
    }

    /// Goes on into the task that was held, once all that was passed is on disk.
    pub fn go_on_from_disk(&mut self, now: Moment) {
        if self.next_note().is_some() {
            return;
        }
        for (strand, raw) in std::mem::take(&mut self.held) {
            // A strand before may have given this one up.
            if strand == self.strand || self.parked.contains_key(&strand) {
                self.switch_to(strand);
                self.drive(Next::Enter(raw), now);
            }
        }
    }

    fn enter(&mut self, raw: Flow, now: Moment) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let frame = self.frames.last_mut().expect("invariant: a run that moves stands in a list");
        let Some(&id) = playbook.block(frame.block).get(frame.at) else { return Ok(Next::Close(raw)) };
        let task = playbook.task(id);
        frame.active = None;
        let mut active = Active {
            task: id,
            input: raw,
            started: now.at,
            waiting: None,
            timeout: None,
            went: None,
            state: State::Plain,
        };
        if let Some(condition) = task.condition.as_ref().filter(|_| !off("if")) {
            let (holds, labels) = Scope::of_task(self, task, &active).holds(condition, &active.input)?;
            self.branch_on(&labels);
            if !holds {
                return Ok(self.go(None, active.input));
            }
        }
        let input = shaped(&Scope { input: None, ..Scope::of_task(self, task, &active) }, &task.input, &active.input)?;
        if let Some(after) = task.timeout.as_ref().filter(|_| !off("timeout")) {
            let after = Scope::of_task(self, task, &active).template(after, &input)?;
            let after = read_duration(&after.value).map_err(faults::validation)?;
            active.timeout = Some(self.set_timer(after, now));
        }
        let frame = self.frames.last_mut().expect("invariant: entering does not leave the list");
        frame.active = Some(Active { input: input.clone(), ..active });
        self.perform(task, input, now)
    }

    fn perform(&mut self, task: &Task, input: Flow, now: Moment) -> Result<Next, Fault> {
        if off(task.action.part()) {
            return Ok(Next::Done(input));
        }
        match &task.action {
            Action::Do(block) => Ok(self.open(*block, input)),
            Action::Set(template) => self.in_task(task, |scope| scope.template(template, &input)).map(Next::Done),
            Action::Switch(cases) => self.switch(task, cases, input),
            Action::Try(body, _) => {
                self.set_state(State::Try(TryState::default()));
                Ok(self.open(*body, input))
            }
            Action::Wait(duration) => {
                let duration = self.in_task(task, |scope| scope.template(duration, &input))?;
                let duration = read_duration(&duration.value).map_err(faults::validation)?;
                Ok(self.pause(duration, now))
            }
            Action::Raise(text) => {
                let error = self.in_task(task, |scope| scope.template(&text.error, &input))?;
                let error = self.meet(error);
                Ok(Next::Fault(raised(&error)))
            }
            Action::For(each) => self.begin_loop(task, each, input),
            Action::Fork(fork) => Ok(self.fork(fork, &input)),
            Action::Emit(with) => self.emit(task, with, &input, now),
            Action::Listen(listen) => Ok(self.listen(listen)),
            Action::Run(child) => self.spawn(task, child, &input, now),
            Action::Named(with, body) => {
                let with = self.in_task(task, |scope| scope.template(with, &input))?;
                Ok(self.open(*body, with))
            }
            Action::Http(http) => self.ask_http(task, http, &input, now),
            Action::OpenApi(call) => self.ask_document(task, call, &input, now),
            Action::Call(call) => self.ask_call(task, call, &input, now),
        }
    }

    /// Evaluates something in the scope of the innermost task.
    pub fn in_task<T>(&self, task: &Task, eval: impl FnOnce(&Scope<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let active = self.active().expect("invariant: a task that is performed was entered");
        eval(&Scope::of_task(self, task, active))
    }

    pub(super) fn open(&mut self, block: BlockId, input: Flow) -> Next {
        self.frames.push(Frame { block, at: 0, active: None });
        Next::Enter(input)
    }

    fn switch(&mut self, task: &Task, cases: &[Case], input: Flow) -> Result<Next, Fault> {
        for case in cases {
            let taken = match &case.when {
                None => true,
                Some(when) => {
                    let (holds, labels) = self.in_task(task, |scope| scope.holds(when, &input))?;
                    self.branch_on(&labels);
                    holds
                }
            };
            if taken {
                if let Some(active) = self.active_mut() {
                    active.went = Some((case.name.clone(), case.then));
                }
                break;
            }
        }
        Ok(Next::Done(input))
    }

    /// Leaves a task: shapes its output, exports, notes it, and goes on.
    fn done(&mut self, raw: &Flow, now: Moment) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let active = self.active().expect("invariant: a task that is done was entered");
        let task = playbook.task(active.task);
        let scope = Scope::of_task(self, task, active);
        let output = shaped(&scope, &task.output, raw)?;
        let export = Scope { output: Some(&output), ..scope };
        let exported = match &task.export.template {
            Some(_) => Some(shaped(&export, &task.export, &output)?),
            None => None,
        };
        if let Some(context) = exported {
            self.context.export(context);
        }
        let active = self.frames.last_mut().and_then(|frame| frame.active.take());
        if let Some(active) = &active {
            self.release(active, now);
        }
        let (went, then) = active.and_then(|active| active.went).map_or((None, task.then), |(name, then)| {
            // A case that says "continue" leaves the word to the task itself.
            (Some(name), if then == Then::Continue { task.then } else { then })
        });
        self.note(task, &output, went, now);
        Ok(match if off("then") { Then::Continue } else { then } {
            Then::Continue => self.go(None, output),
            Then::To(at) => self.go(Some(at), output),
            Then::Exit => Next::Exit(output),
            Then::End => Next::End(output),
        })
    }

    fn note(&mut self, task: &Task, output: &Flow, went: Option<String>, now: Moment) {
        let output = both(digest_value(&output.value), self.context.digest);
        let stepped = Stepped { task: task.pointer.to_string(), output, went };
        self.push(now, Effect::Note { run: self.id, cause: now.seq, stepped });
    }

    /// To a place of the innermost list; none is the next.
    fn go(&mut self, at: Option<usize>, raw: Flow) -> Next {
        if let Some(frame) = self.frames.last_mut() {
            frame.at = at.unwrap_or(frame.at + 1);
        }
        Next::Enter(raw)
    }

    /// Leaves a list: so is done the task that it belongs to, or one turn of it.
    fn close(&mut self, output: Flow, exited: bool, now: Moment) -> Result<Next, Fault> {
        self.frames.pop();
        if self.frames.is_empty() {
            return Ok(self.strand_done(output, now));
        }
        let playbook = Arc::clone(&self.playbook);
        match self.active() {
            Some(Active { state: State::For(_), .. }) if !exited => self.turned(output),
            Some(Active { state: State::Listen(_), .. }) => self.turn_heard(&output, exited),
            Some(active @ Active { state: State::Try(TryState { phase: Phase::Handler(_), .. }), task, .. }) => {
                let then = match &playbook.task(*task).action {
                    Action::Try(_, catch) => catch.then,
                    _ => None,
                };
                let went = active.went.clone();
                if let (Some(then), Some(active)) = (then.filter(|_| !off("catch-then")), self.active_mut()) {
                    active.went = went.or(Some(("catch".to_owned(), then)));
                }
                Ok(Next::Done(output))
            }
            _ => Ok(Next::Done(output)),
        }
    }

    /// Unwinds to the try that catches the error; gives it back where there is none.
    fn fault(&mut self, fault: Fault, now: Moment) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let mut fault = fault;
        fault.instance = fault.instance.take().or_else(|| self.pointer());
        loop {
            self.drop_frame(now);
            if self.frames.is_empty() && !self.up_to_parent(now) {
                return Err(fault);
            }
            let Some(active) = self.active() else { return Err(fault) };
            let task = playbook.task(active.task);
            let (Action::Try(body, catch), State::Try(TryState { phase: Phase::Body, .. })) =
                (&task.action, &active.state)
            else {
                continue;
            };
            match self.catches(task, catch, &fault) {
                Ok(false) => {}
                Ok(true) => match self.handle(task, *body, catch, &fault, now) {
                    Ok(next) => return Ok(next),
                    Err(other) => fault = placed(other, task),
                },
                Err(other) => fault = placed(other, task),
            }
        }
    }

    /// Says whether a handler takes an error; what its conditions look at is branched on.
    fn catches(&mut self, task: &Task, catch: &Catch, fault: &Fault) -> Result<bool, Fault> {
        if !catch.filter.matches(fault) && !off("catch-filter") {
            return Ok(false);
        }
        let when = self.judge(task, catch, fault, catch.when.as_ref(), true)?;
        Ok(when && !self.judge(task, catch, fault, catch.except_when.as_ref(), false)?)
    }

    /// A condition about an error; `otherwise` where there is none.
    fn judge(
        &mut self,
        task: &Task,
        catch: &Catch,
        fault: &Fault,
        condition: Option<&Expr>,
        otherwise: bool,
    ) -> Result<bool, Fault> {
        let Some(condition) = condition.filter(|_| !off("catch-when")) else { return Ok(otherwise) };
        let (holds, labels) = self.looking_at(task, &catch.name, fault, |scope, dot| scope.holds(condition, dot))?;
        self.branch_on(&labels);
        Ok(holds)
    }

    fn looking_at<T>(
        &self,
        task: &Task,
        name: &str,
        fault: &Fault,
        look: impl FnOnce(&Scope<'_>, &Flow) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let active = self.active().expect("invariant: a try that looks at an error is active");
        let scope = Scope { looking_at: Some((name, fault)), ..Scope::of_task(self, task, active) };
        look(&scope, &active.input)
    }

    /// Tries again, else runs the handler, else goes on with the input. What stop held back is never tried again by itself:
    /// releasing a stop restarts nothing.
    fn handle(&mut self, task: &Task, body: BlockId, catch: &Catch, fault: &Fault, now: Moment) -> Result<Next, Fault> {
        if let Some(retry) = catch.retry.as_ref().filter(|_| !off("retry"))
            && !faults::is_stop(fault)
            && self.retries(task, &catch.name, retry, fault)?
            && let Some(next) = self.again(body, retry, now)
        {
            return Ok(next);
        }
        self.branch_on(&label_of(fault).into());
        let input = self.active().map(|active| active.input.clone()).expect("invariant: a try that handles is active");
        let Some(handler) = catch.handler else {
            if let (Some(then), Some(active)) = (catch.then.filter(|_| !off("catch-then")), self.active_mut()) {
                active.went = Some(("catch".to_owned(), then));
            }
            return Ok(Next::Done(input));
        };
        self.set_phase(Phase::Handler(Arc::new(serde_json::json!(fault))));
        Ok(self.open(handler, input))
    }

    fn retries(&self, task: &Task, name: &str, retry: &Retry, fault: &Fault) -> Result<bool, Fault> {
        self.looking_at(task, name, fault, |scope, dot| {
            let when = retry.when.as_ref().map_or(Ok(true), |expr| scope.holds(expr, dot).map(|(holds, _)| holds))?;
            let except =
                retry.except_when.as_ref().map_or(Ok(false), |expr| scope.holds(expr, dot).map(|(holds, _)| holds))?;
            Ok(when && !except)
        })
    }

    /// Pauses and tries the body again, where the policy has a try left.
    fn again(&mut self, body: BlockId, retry: &Retry, now: Moment) -> Option<Next> {
        let spread = retry
            .jitter
            .filter(|_| !off("jitter"))
            .map(|jitter| jitter.of(EffectId { run: self.id, step: self.steps + 1 }));
        let active = self.active_mut()?;
        let State::Try(state) = &mut active.state else { return None };
        let first: Timestamp = *state.first_error.get_or_insert(now.at);
        let since = jiff::SignedDuration::try_from(now.at.since(first)).unwrap_or(jiff::SignedDuration::MAX);
        let delay = retry.delay_before(state.attempts + 1, since)?.saturating_add(spread.unwrap_or_default());
        state.attempts += 1;
        if delay.is_zero() {
            let input = active.input.clone();
            return Some(self.open(body, input));
        }
        self.set_phase(Phase::Pause);
        Some(self.pause(delay, now))
    }

    /// After a pause: the tasks of the try once more, from its input.
    pub fn resume_try(&mut self) -> Option<Next> {
        let playbook = Arc::clone(&self.playbook);
        let active = self.active()?;
        let (task, input) = (active.task, active.input.clone());
        let Action::Try(body, _) = &playbook.task(task).action else { return None };
        self.set_phase(Phase::Body);
        Some(self.open(*body, input))
    }

    fn pause(&mut self, duration: jiff::SignedDuration, now: Moment) -> Next {
        let effect = self.next_id();
        let due = now.at.after(duration.unsigned_abs());
        self.ask(effect, Effect::Timer { effect, due }, now)
    }

    /// Asks for a timer that ends something.
    fn set_timer(&mut self, after: jiff::SignedDuration, now: Moment) -> EffectId {
        let effect = self.next_id();
        self.push(now, Effect::Timer { effect, due: now.at.after(after.unsigned_abs()) });
        effect
    }

    /// Asks a question in the name of the innermost task.
    pub fn ask(&mut self, id: EffectId, effect: Effect, now: Moment) -> Next {
        if let Some(active) = self.active_mut() {
            active.waiting = Some(id);
        }
        self.push(now, effect);
        Next::Wait
    }

    pub fn set_state(&mut self, state: State) {
        if let Some(active) = self.active_mut() {
            active.state = state;
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(Active { state: State::Try(state), .. }) = self.active_mut() {
            state.phase = phase;
        }
    }

    fn complete(&mut self, output: &Flow, now: Moment) {
        let playbook = Arc::clone(&self.playbook);
        let scope = Scope { input: Some(&self.input), ..Scope::of_run(self) };
        let end = match shaped(&scope, &playbook.output, output) {
            Ok(output) => {
                self.ended_with = Some(output.label().join(&self.control));
                RunEnd::Completed { output: Arc::unwrap_or_clone(output.value) }
            }
            Err(error) => RunEnd::Faulted { error },
        };
        self.finish(end, now);
    }

    /// Ends the run; what it knew is dropped, what it still has to journal stays.
    pub fn finish(&mut self, end: RunEnd, now: Moment) {
        self.drop_all(now);
        self.acts.clear();
        self.push(now, Effect::End { run: self.id, cause: now.seq, end });
    }
}

/// `from` or `as`, then `schema`.
pub(super) fn shaped(scope: &Scope<'_>, shape: &Shape, flow: &Flow) -> Result<Flow, Fault> {
    let flow = match &shape.template {
        Some(_) if off(shape.part) => flow.clone(),
        Some(template) => scope.template(template, flow)?,
        None => flow.clone(),
    };
    match shape.schema.as_ref().filter(|_| !off("schema")).map(|schema: &Schema| schema.check(&flow.value)) {
        Some(Err(findings)) => {
            let first = findings.first().map(|f| format!("at `{}`: {}", f.pointer, f.message));
            Err(faults::validation(first.unwrap_or_default()))
        }
        _ => Ok(flow),
    }
}

/// The error that a `raise` made.
fn raised(error: &Flow) -> Fault {
    let text = |name: &str| error.value.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    let status = error.value.get("status").and_then(serde_json::Value::as_u64).and_then(|n| u16::try_from(n).ok());
    Fault {
        error_type: text("type").unwrap_or_else(|| "about:blank".to_owned()),
        status: status.unwrap_or(500),
        title: text("title").unwrap_or_default(),
        detail: text("detail"),
        instance: text("instance"),
    }
}

/// What an error says about the world: our own kinds are a closed list, others come from outside.
fn label_of(fault: &Fault) -> Label {
    let ours = fault.error_type.starts_with("urn:sinew:error:");
    if ours { Label::owned() } else { Label::new("error", Trust::Observed) }
}

/// One digest of two.
fn both(a: Digest, b: Digest) -> Digest {
    digest(&[a.0, b.0].concat())
}
