//! jq in the pure profile: the same input gives the same output, on any machine, at any time.
//!
//! Does not know playbooks or labels. Compile once, run many: compiling takes about a millisecond, running microseconds.
//!
//! ```text
//! text -> parse -> profile (what may not stand here) -> compile with our library -> Program
//! Program + input + variables -> first output
//! ```

mod budget;
mod guard;
mod library;
mod profile;
mod shape;
mod value;
mod walk;

use std::fmt;

use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, DataT, Filter, Lut, Vars, compile, data};
use jaq_json::Val;
use serde_json::Value;

use crate::ExprError;

use budget::Budget;
pub use profile::Profile;
pub use shape::{Shape, VarLabels};

/// A compiled expression; may be shared between threads.
pub struct Program {
    source: String,
    filter: Filter<Pure>,
    shape: Shape,
    vars: usize,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program(`{}`)", self.source)
    }
}

/// What natives may see while a program runs: the program itself and its budget.
#[derive(Debug)]
struct Pure;

#[derive(Clone)]
struct Running<'a> {
    lut: &'a Lut<Pure>,
    budget: &'a Budget,
}

impl DataT for Pure {
    type V<'a> = Val;
    type Data<'a> = Running<'a>;
}

impl<'a> data::HasLut<'a, Pure> for Running<'a> {
    fn lut(&self) -> &'a Lut<Pure> {
        self.lut
    }
}

impl Program {
    /// Compiles an expression that may use the named variables, each with its leading `$`.
    ///
    /// # Errors
    /// `Syntax` where it is not jq; `Forbidden` where it names what does not exist or is not allowed in this profile.
    ///
    /// ```
    /// # use sinew_expr::{Profile, Program};
    /// # use serde_json::json;
    /// let program = Program::compile(".price * $qty", &["$qty"], Profile::Author)?;
    /// assert_eq!(program.run(&json!({"price": 1990}), &[json!(2)])?, json!(3980));
    /// assert!(Program::compile("now", &[], Profile::Author).is_err(), "there is no clock in here");
    /// # Ok::<(), sinew_expr::ExprError>(())
    /// ```
    pub fn compile(source: &str, vars: &[&str], profile: Profile) -> Result<Self, ExprError> {
        // Parsing and compiling recurse as deeply as the text is nested, before anybody can know how deep that is.
        let compile = || compile(source, vars, profile);
        let (filter, shape) = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("jq-compile".to_owned()).stack_size(STACK_LEN);
            let thread = thread.spawn_scoped(scope, compile);
            let problem = |e: std::io::Error| forbidden(source, format!("there is no thread to compile it on: {e}"));
            thread.map_err(problem)?.join().unwrap_or_else(|_| Err(forbidden(source, "the compiler broke on it")))
        })?;
        Ok(Self { source: source.to_owned(), filter, shape, vars: vars.len() })
    }

    /// Runs it and returns its first output; `null` where it has none.
    ///
    /// `vars` are the values of the variables named at compile time, in that order.
    ///
    /// # Errors
    /// `Failed` where the program errs, or its output is no JSON (not finite, too deep, bytes); `TooLong` where it loops.
    ///
    /// # Panics
    /// Where `vars` are not as many as were named: a mistake in the caller, not in the expression.
    pub fn run(&self, input: &Value, vars: &[Value]) -> Result<Value, ExprError> {
        assert_eq!(vars.len(), self.vars, "invariant: one value per variable of `{}`", self.source);
        let budget = Budget::new();
        let running = Running { lut: &self.filter.lut, budget: &budget };
        let ctx = Ctx::<Pure>::new(running, Vars::new(vars.iter().map(value::from_json)));
        let first = self.filter.id.run((ctx, value::from_json(input))).next();
        let first = match first {
            _ if budget.is_spent() => return Err(self.too_long()),
            None => return Ok(Value::Null),
            Some(output) => output.map_err(|exn| self.failed(&describe(exn)))?,
        };
        if !budget::is_small(&first) {
            return Err(self.failed("its output is too large or nested too deeply"));
        }
        value::to_json(&first).map_err(|problem| self.failed(&problem))
    }

    /// How it carries labels on.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn failed(&self, problem: &str) -> ExprError {
        ExprError::Failed { source_text: self.source.clone(), problem: problem.to_owned() }
    }

    fn too_long(&self) -> ExprError {
        ExprError::TooLong { source_text: self.source.clone(), steps_max: budget::STEPS_MAX }
    }
}

/// Enough for the longest text that is read, nested to its end; only what is used is ever taken from memory.
const STACK_LEN: usize = 256 * 1024 * 1024;

fn compile(source: &str, vars: &[&str], profile: Profile) -> Result<(Filter<Pure>, Shape), ExprError> {
    let term = profile::check(source, profile)?;
    let shape = Shape::of(&term);
    let term = guard::guard(term);
    let arena = Arena::default();
    let mut defs = library::defs_for(&term);
    defs.push(guard::as_definition(term));
    let modules = Loader::new(defs).load(&arena, File { code: guard::MAIN, path: () });
    let modules = modules.map_err(|_| syntax(source, "it cannot be loaded"))?;
    let compiler = Compiler::default().with_funs(library::funs()).with_global_vars(vars.iter().copied());
    let filter = compiler.compile(modules).map_err(|errors| undefined(source, &errors))?;
    Ok((filter, shape))
}

/// The library's own helper ends the process on `halt`; here every exception is only a text.
fn describe(exn: jaq_core::Exn<'_, Val>) -> String {
    match exn.get_err() {
        Ok(error) => shorten(&error.to_string()),
        Err(_) => "it broke out of a label that does not exist".to_owned(),
    }
}

/// Errors quote whole values; a person needs the beginning.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn syntax(source: &str, problem: impl Into<String>) -> ExprError {
    ExprError::Syntax { source_text: source.to_owned(), problem: problem.into() }
}

fn forbidden(source: &str, problem: impl Into<String>) -> ExprError {
    ExprError::Forbidden { source_text: source.to_owned(), problem: problem.into() }
}

fn undefined(source: &str, errors: &compile::Errors<&str, ()>) -> ExprError {
    let name = |(name, what): &compile::Error<&str>| match what {
        compile::Undefined::Filter(arity) => format!("there is no function `{name}` with {arity} arguments"),
        other => format!("there is no {} `{name}`", other.as_str()),
    };
    let problems: Vec<_> = errors.iter().flat_map(|(_, errors)| errors).map(name).collect();
    forbidden(source, problems.join("; "))
}

/// Parses an expression into its term, for the profile check.
fn parse_term(source: &str) -> Result<parse::Term<&str>, ExprError> {
    let tokens = lex::Lexer::new(source).lex().map_err(|errors| syntax(source, lex_problem(source, &errors)))?;
    let term = parse::Parser::new(&tokens).parse(parse::Parser::term);
    term.map_err(|errors| syntax(source, parse_problem(source, &errors)))
}

fn lex_problem(source: &str, errors: &[lex::Error<&str>]) -> String {
    let one = |(expected, at): &lex::Error<&str>| format!("expected {} {}", expected.as_str(), place(source, at));
    errors.first().map_or_else(String::new, one)
}

fn parse_problem(source: &str, errors: &[parse::TError<'_, &str>]) -> String {
    let one = |(expected, found): &parse::TError<'_, &str>| {
        let at = lex::Token::opt_as_str(*found, source);
        format!("expected {} {}", expected.as_str(), place(source, at))
    };
    errors.first().map_or_else(String::new, one)
}

fn place(source: &str, at: &str) -> String {
    let offset = jaq_core::load::span(source, at).start;
    let rest: String = source.get(offset..).unwrap_or_default().chars().take(20).collect();
    if rest.is_empty() { "at the end".to_owned() } else { format!("before `{rest}`") }
}

const fn _shared<T: Send + Sync>() {}
const _: () = _shared::<Program>();

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(source: &str, input: &Value) -> Result<Value, ExprError> {
        Program::compile(source, &[], Profile::Author)?.run(input, &[])
    }

    #[test]
    fn expressions_of_playbooks_give_what_jq_gives() {
        let input = json!({"a": {"b": [1, 2, 3]}, "name": "Ana", "n": 1990, "z": 1, "y": 2});
        let check = |source: &str, expected: Value| assert_eq!(run(source, &input), Ok(expected), "{source}");
        check(".a.b | length", json!(3));
        check(".a.b | map(. * 2) | add", json!(12));
        check("{id: .name, total: (.n / 10)}", json!({"id": "Ana", "total": 199}));
        check(".missing.deep // \"none\"", json!("none"));
        check("empty", json!(null));
        check(".a.b[]", json!(1));
        check("[.a.b[] | select(. > 1)]", json!([2, 3]));
        check("\"RMA-\\(.n) for \\(.name)\"", json!("RMA-1990 for Ana"));
        check("[range(3)]", json!([0, 1, 2]));
        check("[range(10; 0; -4)]", json!([10, 6, 2]));
        check("[limit(3; repeat(1))]", json!([1, 1, 1]));
        check("[.z | while(. < 10; . * 2)]", json!([1, 2, 4, 8]));
        check(".z | until(. > 100; . * 3)", json!(243));
        check("[.a | recurse | numbers]", json!([1, 2, 3]));
        check("[.a.b | combinations(2)] | length", json!(9));
        check("[path(recurse(.[]?)) | length] | max", json!(3));
        check(".a | (recurse | numbers) |= . * 2", json!({"b": [2, 4, 6]}));
        check("[foreach .a.b[] as $x (0; . + $x; . * 10)]", json!([10, 30, 60]));
        check(".n *= 2 | .n", json!(3980));
        check("[(1, 2) * (3, 4)]", json!([3, 4, 6, 8]));
        check("\"ab\" * 3", json!("ababab"));
        check(
            ".a.b |= map(. + 1) | walk(if type == \"number\" then . * 10 else . end) | .a",
            json!({"b": [20, 30, 40]}),
        );
        check("to_entries | map(.key)", json!(["a", "name", "n", "z", "y"]));
        check("\"[1, {\\\"a\\\": 2}]\" | fromjson", json!([1, {"a": 2}]));
        check("[paths] | length", json!(9));
        check("if .n > 1000 then \"big\" else \"small\" end", json!("big"));
        check("try error(\"x\") catch .", json!("x"));
        check("reduce .a.b[] as $x (0; . + $x)", json!(6));
        check("def twice(f): f | f; .z | twice(. + 1)", json!(3));
        check("[.a.b[] as $x | $x * $x]", json!([1, 4, 9]));
        check("(.name | ascii_downcase | ltrimstr(\"a\")) + (\"x-y\" | split(\"-\") | join(\"+\"))", json!("nax+y"));
        check("del(.a, .n) | keys", json!(["name", "y", "z"]));
        check("with_entries(select(.value | type == \"number\"))", json!({"n": 1990, "z": 1, "y": 2}));
        check("[.a.b | first, last]", json!([1, 3]));
        check("isempty(.a.b[] | select(. > 5))", json!(true));
        check("reduce range(10000) as $i ([]; . + [$i]) | length", json!(10_000));
    }

    #[test]
    fn numbers_and_key_order_survive() {
        let input =
            json!({"b": u64::MAX, "a": [i64::MIN, 9_007_199_254_740_993_i64, 0.1, -1.5e300], "é": "\u{1f600}\u{0}"});
        let output = run(".", &input).expect("identity");
        assert_eq!(output.to_string(), input.to_string());
        assert_eq!(run("9007199254740993 + 0", &json!(null)), Ok(json!(9_007_199_254_740_993_i64)));
        assert_eq!(run("10 / 2", &json!(null)), Ok(json!(5)), "whole doubles are integers");
        for source in ["1 / 0", "nan", "18446744073709551616", "{(\"a\"): \"x\" | tobytes}"] {
            assert!(matches!(run(source, &json!(null)), Err(ExprError::Failed { .. })), "{source}");
        }
    }

    #[test]
    fn what_is_not_pure_is_a_compile_error_with_advice() {
        let sources = [
            "now",
            "env.HOME",
            "$ENV.HOME",
            "localtime",
            "strflocaltime(\"%H\")",
            "input",
            "[inputs]",
            "debug",
            "debug(\"x\")",
            "stderr",
            "halt",
            "halt(1)",
            "\"x\" | halt_error",
            "input_line_number",
            "[1 | now?]",
            "{a: now}",
            "\"at \\(now)\"",
            ". as {a: $x, (now): $y} | $x",
            "reduce now as $x (0; .)",
            ".[now]",
            "_tick",
        ];
        for source in sources {
            let error = run(source, &json!(null)).expect_err(source);
            assert!(matches!(&error, ExprError::Forbidden { .. }), "{source}: {error}");
            assert!(error.to_string().contains("does not exist here") || source == "_tick", "{error}");
        }
        let unknown = run("frobnicate(1; 2)", &json!(null)).expect_err("no such function");
        assert!(unknown.to_string().contains("there is no function `frobnicate` with 2 arguments"), "{unknown}");
        assert!(run("$nothing", &json!(null)).is_err());
        assert!(run("import \"a\" as a; 1", &json!(null)).is_err());
    }

    #[test]
    fn errors_say_what_and_where() {
        let check = |source: &str, expected: &str| {
            assert_eq!(run(source, &json!({"a": 1})).expect_err(source).to_string(), expected);
        };
        check(".a | (", "cannot read expression `.a | (`: expected closing parenthesis at the end");
        check("{a: }", "cannot read expression `{a: }`: expected term before `}`");
        check(".a == | 2", "cannot read expression `.a == | 2`: expected term before `| 2`");
        check("\"open", "cannot read expression `\"open`: expected closing quote at the end");
        check("", "cannot read expression ``: expected term at the end");
        check(".a.b", "expression `.a.b` failed: cannot index 1 with \"b\"");
        check("error({code: 7})", "expression `error({code: 7})` failed: {\"code\":7}");
    }

    #[test]
    fn a_compiled_program_runs_again_and_again() {
        let program = Program::compile(".items | map(.qty * .price) | add", &[], Profile::Author).expect("it compiles");
        let input = json!({"items": [{"qty": 2, "price": 5}, {"qty": 1, "price": 7}]});
        let outputs: Vec<_> = (0..1000).map(|_| program.run(&input, &[])).collect();
        assert!(outputs.iter().all(|output| *output == Ok(json!(17))));
    }

    #[test]
    fn nothing_loops_for_ever_and_nothing_overflows_the_stack() {
        for source in [
            "[repeat(1)]",
            "[range(1; infinite)]",
            "until(false; .)",
            "[while(true; .)] | length",
            "[1 | recurse(.)]",
            "[range(1; 2; 0)]",
            "[.[]? // repeat(1)?]",
            "[limit(10; repeat(empty))]",
            "try repeat(empty) catch 1",
            "label $out | repeat(empty)",
        ] {
            assert!(matches!(run(source, &json!(null)), Err(ExprError::TooLong { .. })), "{source}");
        }
        for source in ["def f: 1 + f; f", "def f(g): f(g); f(1)", "def f: def g: f; g; f", "def f: [f]; f"] {
            let error = run(source, &json!(null)).expect_err(source);
            assert!(error.to_string().contains("calls itself"), "{error}");
        }
        for source in [
            "(".repeat(16_000),
            "[".repeat(16_000),
            "-".repeat(16_000),
            "1 | ".repeat(4_000),
            "if 1 then ".repeat(1_400),
            "try ".repeat(4_000) + "1",
            "\"\\(".repeat(5_000),
            "def f: ".repeat(2_000),
            "label $x | ".repeat(1_400) + "1",
            "1 + ".repeat(4_000) + "1",
            "1, ".repeat(5_000) + "1",
            ".a".repeat(8_000),
            "1 as $x | ".repeat(1_400) + "1",
            "{a: 1".to_owned() + &", a: 1".repeat(2_500) + "}",
            "\"".to_owned() + &"\\(1)".repeat(3_000) + "\"",
            "if 1 then 1".to_owned() + &" elif 1 then 1".repeat(1_100) + " end",
            "1 as ".to_owned() + &"[".repeat(8_000) + "$x" + &"]".repeat(8_000) + " | 1",
            "1 as [$x".to_owned() + &", $x".repeat(3_500) + "] | 1",
            "1 // ".repeat(3_000) + "1",
            "f(".to_owned() + &"1;".repeat(7_000) + "1)",
            // The deepest that are let through must also run.
            "1 + ".repeat(250) + "1",
            "1 | ".repeat(250) + "1",
            "[".repeat(120) + "1" + &"]".repeat(120),
            ".a".repeat(250),
            "def f: 1; def g: f | f; ".repeat(10) + "g",
        ] {
            assert!(source.len() <= profile::SOURCE_LEN_MAX, "it must reach the parser: {}", source.len());
            let _ = run(&source, &json!(null));
        }
        for source in [
            "\"[\" * 100000 | fromjson",
            "\"x\" * 1e12",
            "\"x\" as $x | 1e12 | . * $x",
            "{a: \"x\"} | .a *= 1e12",
            "reduce range(99) as $i (\"xx\"; . + .)",
            "reduce range(99) as $i ([1]; . + .) | length",
        ] {
            assert!(run(source, &json!(null)).is_err(), "{source}");
        }
    }

    #[test]
    fn deep_values_neither_come_out_nor_end_the_process() {
        for source in [
            "reduce range(900000) as $i (null; [.])",
            "[range(900000)] | reduce .[] as $i (null; {a: .})",
            "last(limit(900000; 1 | recurse([.])))",
            "reduce range(64) as $i (1; [., .])",
            &["[., .]"; 60].join(" | "),
            "1 | until(false; [.])",
        ] {
            assert!(run(source, &json!(null)).is_err(), "{source}");
        }
    }

    #[test]
    fn a_model_may_not_write_definitions_or_open_loops() {
        let refused = [
            "def f: 1; f",
            "[repeat(1)]",
            "[limit(3; repeat(1))]",
            "[while(true; .)]",
            "until(true; .)",
            "[recurse(.a)]",
            "[range(.n)]",
            "[range(1000000)]",
            "reduce .[] as $x (0; .)",
            "foreach .[] as $x (0; .)",
        ];
        for source in refused {
            assert!(Program::compile(source, &[], Profile::Model).is_err(), "{source}");
        }
        for source in ["[range(10)]", "[range(.items | length)]", "[.. | numbers]", "map(.a)", "[recurse | strings]"] {
            assert!(Program::compile(source, &[], Profile::Model).is_ok(), "{source}");
        }
    }

    #[test]
    fn variables_come_in_the_order_in_which_they_were_named() {
        let program = Program::compile("$a - $b + .", &["$a", "$b"], Profile::Author).expect("it compiles");
        assert_eq!(program.run(&json!(100), &[json!(5), json!(3)]), Ok(json!(102)));
    }
}
