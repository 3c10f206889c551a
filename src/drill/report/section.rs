//! What the reports have in common: sections of sentences and tables, which each format writes in its own way.

/// One section.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: &'static str,
    /// Sentences before its table.
    pub(super) says: Vec<String>,
    /// Its tables.
    pub(super) tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// What its columns are.
    pub(super) columns: Vec<Column>,
    /// Its rows, each as long as there are columns.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Whether it holds numbers, which stand right.
    pub(super) number: bool,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How something is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    /// Nobody knows.
    Open,
    /// A name or a hash: to be copied.
    Code,
}

impl Section {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, ..Self::default() }
    }

    pub(super) fn say(mut self, sentence: impl Into<String>) -> Self {
        self.says.push(sentence.into());
        self
    }

    /// With a table, unless it has no rows.
    pub(super) fn table(mut self, table: Table) -> Self {
        if !table.rows.is_empty() {
            self.tables.push(table);
        }
        self
    }
}

impl Table {
    /// A title that begins with `#` is one of a column of numbers.
    pub(super) fn new<const N: usize>(titles: [&'static str; N]) -> Self {
        let column = |title: &'static str| match title.strip_prefix('#') {
            Some(title) => Column { title, number: true },
            None => Column { title, number: false },
        };
        Self { columns: titles.map(column).into(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Only the first columns: the others would be empty.
    pub(super) fn shorten(&mut self, columns: usize) {
        self.columns.truncate(columns);
        self.rows.iter_mut().for_each(|row| row.truncate(columns));
    }
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A name or a hash.
    pub(super) fn code(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Code)
    }

    /// Text where there is some.
    pub(super) fn or_unknown(text: Option<impl Into<String>>) -> Self {
        text.map_or_else(|| Self::new(super::words::UNKNOWN, Tone::Open), |text| Self::new(text, Tone::Plain))
    }

    /// Whether something was met.
    pub(super) fn met(met: Option<bool>) -> Self {
        match met {
            Some(true) => Self::new("kept", Tone::Good),
            Some(false) => Self::new("missed", Tone::Bad),
            None => Self::new(super::words::UNKNOWN, Tone::Open),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}
