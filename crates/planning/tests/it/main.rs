//! Playbooks as others see them: text in, findings out; entries in, effects out.

mod dispatch;
mod findings;
mod plans;
mod replay;
mod returns;
mod semantics;
mod world;
