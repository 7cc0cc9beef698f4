//! JSON Schema 2020-12, compiled once and checked often.
//!
//! Does not fetch anything: a `$ref` that leaves the schema is an error. Patterns run on an engine whose time is
//! linear in the text, since texts and sometimes schemas come from models.

use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;

use crate::ExprError;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
}

/// One way in which a value does not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaFinding {
    /// JSON pointer into the value; `""` is the whole.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// Enough for a person to mend it; a broken list of thousands is not told item by item.
const FINDINGS_MAX: usize = 32;

impl Schema {
    /// Compiles a schema; formats are checked, not only noted.
    ///
    /// # Errors
    /// `Schema` where it is not a schema of draft 2020-12, or refers to what is not in it.
    pub fn compile(schema: &Value) -> Result<Self, ExprError> {
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
        let options = options.should_validate_formats(true).with_pattern_options(PatternOptions::regex());
        let validator = options
            .build(schema)
            .map_err(|e| ExprError::Schema { pointer: e.instance_path().to_string(), problem: e.to_string() })?;
        Ok(Self { validator })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first 32 findings, never none.
    pub fn check(&self, value: &Value) -> Result<(), Vec<SchemaFinding>> {
        let finding = |e: jsonschema::ValidationError<'_>| SchemaFinding {
            pointer: e.instance_path().to_string(),
            message: e.to_string(),
        };
        let findings: Vec<_> = self.validator.iter_errors(value).take(FINDINGS_MAX).map(finding).collect();
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_name_the_place() {
        let schema = json!({"type": "object", "required": ["rma"], "additionalProperties": false,
            "properties": {"rma": {"type": "string", "pattern": "^RMA-[0-9]{6}$"}, "qty": {"type": "integer", "minimum": 1}}});
        let schema = Schema::compile(&schema).expect("a good schema");
        let pointers = |value: Value| -> Vec<String> {
            schema.check(&value).err().unwrap_or_default().into_iter().map(|f| f.pointer).collect()
        };
        assert_eq!(schema.check(&json!({"rma": "RMA-100123", "qty": 2.0})), Ok(()));
        assert_eq!(pointers(json!({"rma": "x", "qty": 0})), ["/rma", "/qty"]);
        assert_eq!(pointers(json!({"qty": 1})), [""]);
        assert_eq!(pointers(json!({"rma": "RMA-100123", "more": 1})), [""]);
    }

    #[test]
    fn a_wrong_schema_is_refused_at_compile_time() {
        let check = |schema: Value| assert!(Schema::compile(&schema).is_err(), "{schema}");
        check(json!({"type": "nothing"}));
        check(json!({"$ref": "https://example.com/schema.json"}));
        check(json!({"$ref": "#/$defs/missing"}));
        check(json!({"pattern": "("}));
    }

    #[test]
    fn a_hostile_pattern_is_linear() {
        let schema = Schema::compile(&json!({"pattern": "^(a+)+$"})).expect("a good schema");
        let text = format!("{}!", "a".repeat(20_000));
        assert!(schema.check(&json!(text)).is_err());
    }

    #[test]
    fn formats_are_checked() {
        let schema = Schema::compile(&json!({"format": "date"})).expect("a good schema");
        assert_eq!(schema.check(&json!("2026-11-22")), Ok(()));
        assert!(schema.check(&json!("2026-13-22")).is_err());
    }
}
