//! The configuration: fragments as they are written → merged → validated settings.

pub mod settings;

pub use settings::Settings;
