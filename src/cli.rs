//! The command line: one file per command. What all of them share stands here: `--json`, `--data`, exit codes.
//!
//! Does not know how anything is done: commands call the running hub over HTTP, or the rooms through `assembly`.

mod answer;
mod audit;
mod bench;
mod client;
mod demo;
mod device;
mod doctor;
mod eval;
mod inbox;
mod memory;
mod models;
mod people;
mod playbook;
mod policy;
mod replay;
mod runs;
mod sql;
mod stop;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sinew_contract::{ErrorKind, Failure};

use crate::runtime::choose_tls;

/// An operating system for real-world work: signals become durable, policy-checked, auditable action.
#[derive(Debug, Parser)]
#[command(name = "sinew", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print JSON, for machines.
    #[arg(long, global = true)]
    json: bool,
    /// The data directory of the hub that is meant. Default: where the deployment says, where one is named, else `data`.
    #[arg(long, global = true, env = "SINEW_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 bad configuration, 4 unreachable, 5 refused by policy, \
6 waits for approval, 7 audit broken, 8 stopped.";

/// The data directory, where neither the command line nor a deployment names one.
const DATA: &str = "data";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a deployment and stay.
    Up(up::Args),
    /// Start a deployment with its shop, feed it the samples, and show what happens.
    Demo(demo::Args),
    /// List runs, the newest first.
    Runs(runs::List),
    /// Look at one run, or ask it to end.
    #[command(subcommand)]
    Run(runs::One),
    /// List what waits for a person.
    Inbox,
    /// Say yes at a gate.
    Approve(answer::Args),
    /// Say no at a gate.
    Refuse(answer::Args),
    /// Stop: nothing leaves any more.
    Stop(stop::Args),
    /// Release a stop. Restarts nothing.
    Resume(stop::Args),
    /// Prove that the log has not been changed.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Fold a run again from the log and prove that it passes the same tasks.
    Replay(replay::Args),
    /// Let people in.
    #[command(subcommand)]
    People(people::Command),
    /// Check playbooks.
    #[command(subcommand)]
    Playbook(playbook::Command),
    /// Check, test and simulate policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Look for what is missing or wrong on this machine or in a deployment.
    Doctor(doctor::Args),
    /// Look at devices, try them, add one from its own description.
    #[command(subcommand)]
    Device(device::Command),
    /// What is remembered: search it, show where it comes from, pin, end and forget it.
    #[command(subcommand)]
    Memory(memory::Command),
    /// Ask memory in SQL, read-only.
    Sql(sql::Args),
    /// Models that run in process.
    #[command(subcommand)]
    Models(models::Command),
    /// Judge a part against labelled data.
    #[command(subcommand)]
    Eval(eval::Command),
    /// Measure a part, beside a floor in the same round.
    #[command(subcommand)]
    Bench(bench::Command),
}

/// How a command ends. The numbers are documented and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It went well.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A file of the deployment is wrong.
    BadConfig = 3,
    /// The hub, or something that it needs, cannot be reached.
    Unreachable = 4,
    /// Policy says no.
    Refused = 5,
    /// A person is asked first.
    Waits = 6,
    /// The log was changed.
    AuditBroken = 7,
    /// Stop is pressed.
    Stopped = 8,
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct Coded {
    exit: Exit,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Coded {
    fn from(error: anyhow::Error) -> Self {
        let kind = error.chain().find_map(|e| e.downcast_ref::<Failure>()).map(Failure::kind);
        let exit = match kind {
            Some(ErrorKind::Denied) => Exit::Refused,
            Some(ErrorKind::Busy | ErrorKind::Late) => Exit::Unreachable,
            _ => Exit::Failed,
        };
        Self { exit, error }
    }
}

impl Coded {
    /// This error, with this exit code.
    pub fn new(exit: Exit, error: anyhow::Error) -> Self {
        Self { exit, error }
    }

    /// The error without its code.
    pub fn into_error(self) -> anyhow::Error {
        self.error
    }
}

/// Gives an error its exit code.
pub trait ExitWith<T> {
    /// This exit code, where it is an error.
    ///
    /// # Errors
    /// The same, coded.
    fn or_exit(self, exit: Exit) -> Result<T, Coded>;
}

impl<T, E: Into<anyhow::Error>> ExitWith<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Coded> {
        self.map_err(|error| Coded { exit, error: error.into() })
    }
}

/// What a command gives back.
type Outcome = Result<Exit, Coded>;

/// Reads the command line, does what it says, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    choose_tls();
    match run(cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(coded) => {
            complain(&coded, json);
            ExitCode::from(coded.exit as u8)
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let Cli { json, data: named, command } = cli;
    let data = named.clone().unwrap_or_else(|| PathBuf::from(DATA));
    let client = || client::Client::local(&data);
    match command {
        Command::Up(args) => up::run(&args, named, json),
        Command::Demo(args) => demo::run(args, json),
        Command::Runs(args) => runs::list(&client()?, &args, json),
        Command::Run(args) => runs::one(&client()?, &args, json),
        Command::Inbox => inbox::run(&client()?, json),
        Command::Approve(args) => answer::run(&data, &args, "approve", json),
        Command::Refuse(args) => answer::run(&data, &args, "refuse", json),
        Command::Stop(args) => stop::run(&data, &args, true, json),
        Command::Resume(args) => stop::run(&data, &args, false, json),
        Command::Policy(args) => policy::run(&args, &data, json),
        Command::Audit(args) => audit::run(&args, &data, json),
        Command::Replay(args) => replay::run(named, &args, json),
        Command::People(args) => people::run(named.as_deref(), &args, json),
        Command::Playbook(args) => playbook::run(&args, json),
        Command::Device(args) => device::run(&args, json),
        Command::Doctor(args) => doctor::run(&args, &data, json),
        Command::Memory(command) => memory::run(&data, &command, json),
        Command::Sql(args) => sql::run(&data, &args, json),
        Command::Models(args) => models::run(&args, named.as_deref(), json),
        Command::Eval(args) => eval::run(&args, named.as_deref(), json),
        Command::Bench(args) => bench::run(&args, json),
    }
}

/// Errors go to standard error, as a sentence for people or one JSON line for machines.
fn complain(coded: &Coded, json: bool) {
    if json {
        let causes: Vec<_> = coded.error.chain().skip(1).map(ToString::to_string).collect();
        let error = coded.error.to_string();
        eprintln!("{}", serde_json::json!({ "error": error, "causes": causes, "exit": coded.exit as u8 }));
    } else {
        eprintln!("sinew: {}", format!("{:#}", coded.error).trim_end());
    }
}

/// Prints a value as JSON, one document.
fn print_json(value: &impl serde::Serialize) {
    // Our own types always serialise; a reader who closed the pipe has heard enough.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print_line(&text);
}

/// Prints a line; a closed pipe is no error of ours.
fn print_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Runs a future to its end on a runtime of this command's own.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Coded> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_exit(Exit::Failed)?;
    Ok(runtime.block_on(future))
}
