//! Documents of `--json` against the schemas in docs/schema.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Panics where a document is not what the schema of its command says. A property that the schema
/// does not name is wrong, too.
#[track_caller]
pub(crate) fn check(line: &str, document: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let schemas = line
        .split_whitespace()
        .map(|word| folder.join(format!("{word}.json")));
    let Some(path) = schemas.into_iter().find(|path| path.is_file()) else {
        return;
    };
    let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(document["exit"].is_u64(), "{line}: {document}");
    let mut rest = document.clone();
    rest.as_object_mut().unwrap().remove("exit");
    let closed = json!({ "anyOf": schema["anyOf"], "$defs": closed(&schema["$defs"]) });
    if let Err(error) = jsonschema::validate(&closed, &rest) {
        panic!("{line}: {error}");
    }
}

/// The definitions, none of which allows a property that it does not name. What is a part of another
/// one is closed with that.
fn closed(definitions: &Value) -> Value {
    let mut definitions = definitions.clone();
    let parts = parts(&definitions);
    for (name, definition) in definitions.as_object_mut().unwrap() {
        if definition["type"] == "object" && !parts.contains(&format!("#/$defs/{name}")) {
            definition["unevaluatedProperties"] = false.into();
        }
    }
    definitions
}

fn parts(definitions: &Value) -> Vec<String> {
    let mut parts = Vec::new();
    for definition in definitions.as_object().unwrap().values() {
        for branch in definition["anyOf"].as_array().into_iter().flatten() {
            parts.extend(branch["$ref"].as_str().map(str::to_owned));
        }
    }
    parts
}
