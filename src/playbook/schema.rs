//! The JSON Schema of playbook files, made from the table of keys, for editors that complete and check TOML. A text
//! with a placeholder is good wherever a value is: what it stands for is known when the playbook is run.

use serde_json::{Value, json};

use super::keys::{CONDITION, FAULT, INPUT, ROOT, STEP, USE};
use crate::config::schema::Style;

const STYLE: Style = Style {
    placeholder: Some("\\{[a-z][a-z0-9-]*\\}"),
    named: &[("condition", &CONDITION), ("fault", &FAULT), ("input", &INPUT), ("step", &STEP), ("use", &USE)],
};

/// The schema. `config/playbook.schema.json` is this, kept equal by a test.
pub fn schema() -> Value {
    let mut schema = STYLE.schema(&ROOT, "Tidegate playbook");
    let item = json!({ "anyOf": [{ "$ref": "#/definitions/step" }, { "$ref": "#/definitions/use" }] });
    let lists = ["before", "step", "after", "clean-up"].map(|list| format!("/properties/{list}/items"));
    let part = "/properties/part/items/properties/step/items".to_owned();
    for place in lists.into_iter().chain([part]) {
        if let Some(items) = schema.pointer_mut(&place) {
            *items = item.clone();
        }
    }
    schema
}
