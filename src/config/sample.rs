//! Configurations for tests of other modules.

use super::{Settings, load_fragments};

/// What this text says; every problem of it ends the test.
pub(crate) fn loaded(text: &str) -> Settings {
    load_fragments(vec![("test.toml".into(), text.to_owned())]).unwrap_or_else(|report| panic!("{report}"))
}

/// A service that two nodes at least must serve, asked on port 8080; `more` is added to how it is asked.
pub(crate) fn app(more: &str) -> Settings {
    loaded(&format!(
        r#"
        [cluster]
        name = "test"
        [[service]]
        name = "app"
        unit = "app.service"
        clone = {{ resource = "app" }}
        min-ready = 2
        ready = {{ port = 8080{more} }}
        "#
    ))
}
