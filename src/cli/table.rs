//! Tables as this program prints them: no frames, two spaces between columns, at most as wide as the terminal and
//! never wider than 100 columns where there is none. What comes from other systems is shown without control
//! characters.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, presets};

/// Columns where there is no terminal.
const WIDTH: u16 = 100;

/// A table under construction.
pub(super) struct Table(comfy_table::Table);

/// Columns that there are: those of the terminal, where there is one.
pub(super) fn width() -> u16 {
    let window = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    window.map(|window| window.ws_col).filter(|columns| *columns > 0).unwrap_or(WIDTH).max(60)
}

impl Table {
    pub(super) fn new<const N: usize>(header: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header.map(str::to_uppercase));
        table.set_width(width());
        Self(table)
    }

    /// Keeps the first columns in one piece: names are copied from there.
    pub(super) fn unbroken(mut self, columns: usize) -> Self {
        for column in self.0.column_iter_mut().take(columns) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        self
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.0.add_row(cells.map(printable));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.trim_fmt().lines() {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// Text without control characters: an error message of another system must not move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_to_its_width_and_shows_no_control_characters() {
        let mut table = Table::new(["gate", "found"]);
        table.row(["quorum", &"a long answer ".repeat(20)]);
        table.row(["node-state", "red \u{1b}[31malert"]);
        let text = table.to_string();
        assert!(text.lines().all(|l| l.chars().count() <= usize::from(WIDTH)), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
