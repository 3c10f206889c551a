//! Charts as inline SVG, drawn by hand: a time axis that all of them share, phases as bands behind, the fault as a line
//! through, and layers in front. Colours are classes: the page gives them, by day and by night.

mod axis;
mod draw;

pub(super) use axis::{Scale, ticks_of_time};
pub(super) use draw::svg;

/// Colours that there are for nodes, and for phases.
pub(super) const COLOURS: usize = 8;

/// What all charts of one report have below them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ground {
    /// Seconds that the axis is long.
    pub(super) length: f64,
    /// Phases.
    pub(super) bands: Vec<Band>,
    /// Moments.
    pub(super) marks: Vec<Mark>,
}

/// A phase.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Band {
    /// Seconds from the axis' beginning.
    pub(super) from: f64,
    /// As long as the axis, where it is not over.
    pub(super) until: f64,
    /// Its number in the list of phases.
    pub(super) number: usize,
    /// Its colour.
    pub(super) colour: usize,
    /// What it is, in words.
    pub(super) title: String,
}

/// A moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// Seconds from the axis' beginning.
    pub(super) at: f64,
    /// What happened then.
    pub(super) label: String,
}

/// One chart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) title: String,
    /// What is seen in it, in a sentence, for who cannot see it.
    pub(super) sentence: String,
    /// Of its values.
    pub(super) unit: &'static str,
    /// How its values are laid out.
    pub(super) scale: Scale,
    /// What is drawn, the last in front.
    pub(super) layers: Vec<Layer>,
    /// Its height in its own units; it is 960 wide.
    pub(super) height: f64,
}

/// One thing that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    /// Its name in the legend.
    pub(super) name: String,
    /// Its colour: a class of the page's.
    pub(super) class: String,
    /// What it looks like.
    pub(super) shape: Shape,
}

/// What a layer looks like. `x` is in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Filled between two values: `(x, low, high)`.
    Area(Vec<(f64, f64, f64)>),
    /// A line that breaks where nothing is known.
    Line(Vec<(f64, Option<f64>)>),
    /// A line that keeps its value until the next one.
    Steps(Vec<(f64, Option<f64>)>),
    /// Bars of this width in seconds, from nothing up.
    Bars(f64, Vec<(f64, f64)>),
}
