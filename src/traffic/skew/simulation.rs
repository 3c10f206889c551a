//! How often the test of shares alarms and misses, by simulation: what stands in docs/skew.md. Seeded, so that it comes
//! out the same each time. Pure.
//!
//! Clients come in groups of a geometric size (a connection that is kept alive, a page with its pictures): all requests
//! of a group go to one node. A group is either over within a bucket, and nobody tells how many requests belong together;
//! or it is a client with a cookie whose requests come all the time, and the load balancer counts its choices.

use fastrand::Rng;

use super::{Cell, Verdict, dispersion, judge, normal, sum};

/// The window of the table: five minutes of 10 s.
const BUCKETS: usize = 30;
/// Windows that are simulated for each figure.
pub const TRIALS: usize = 200;
/// `objective.max-skew` of the table.
pub const LIMIT: f64 = 1.25;
const SEED: u64 = 20_240_229;

/// How requests hang together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clients {
    /// Each request is a choice of its own.
    Independent,
    /// So many requests of a connection go to one node, within a bucket.
    Bursts(u32),
    /// So many requests of a client go to one node, at any time; choices are counted.
    Bound(u32),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Nodes, with the same weight.
    pub nodes: usize,
    /// Requests in the window.
    pub requests: u32,
    /// How they hang together.
    pub clients: Clients,
    /// Windows without skew in which an alarm came, of 1.
    pub false_alarms: f64,
    /// The same for a plain chi-square test at 1 %.
    pub plain: f64,
    /// Windows with a skew of 1.15, below the limit, in which an alarm came.
    pub tolerated: f64,
    /// Windows in which one node got twice as much as each other, and no alarm came.
    pub missed: f64,
}

/// What the lines are about: nodes, requests, clients.
pub fn cases() -> Vec<(usize, u32, Clients)> {
    use Clients::{Bound, Bursts, Independent};
    let mut cases = Vec::new();
    for nodes in [2, 3, 10] {
        for clients in [Independent, Bursts(5), Bursts(20), Bound(20)] {
            for requests in [30, 100, 300, 1000, 5000] {
                cases.push((nodes, requests, clients));
            }
        }
    }
    cases
}

/// One line: windows without skew, with one below the limit, and with one node that gets double.
pub fn line((nodes, requests, clients): (usize, u32, Clients)) -> Line {
    let mut rng = Rng::with_seed(SEED);
    #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
    let count = nodes as f64;
    let mut alarms = |first: f64| {
        let (mut ours, mut plain) = (0.0, 0.0);
        for _ in 0..TRIALS {
            let window = Window::draw(&mut rng, nodes, requests, clients, first);
            ours += f64::from(u8::from(window.judged().exceeds(LIMIT)));
            plain += f64::from(u8::from(window.plain_alarm()));
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let all = TRIALS as f64;
        (ours / all, plain / all)
    };
    let (false_alarms, plain) = alarms(1.0 / count);
    let (tolerated, _) = alarms(1.15 / count);
    let (found, _) = alarms(2.0 / (count + 1.0));
    Line { nodes, requests, clients, false_alarms, plain, tolerated, missed: 1.0 - found }
}

/// One simulated window.
struct Window {
    buckets: Vec<Vec<Cell>>,
    per_choice: Option<f64>,
}

impl Window {
    /// `first` is the first node's true share; the others have the same.
    fn draw(rng: &mut Rng, nodes: usize, requests: u32, clients: Clients, first: f64) -> Self {
        let mut buckets = vec![vec![Cell::default(); nodes]; BUCKETS];
        let (mut left, mut choices) = (requests, 0.0);
        while left > 0 {
            let size = match clients {
                Clients::Independent => 1,
                Clients::Bursts(mean) | Clients::Bound(mean) => geometric(rng, mean).min(left),
            };
            left -= size;
            choices += 1.0;
            let node = if rng.f64() < first { 0 } else { rng.usize(1..nodes) };
            let bucket = rng.usize(..BUCKETS);
            for _ in 0..size {
                let when = if matches!(clients, Clients::Bound(_)) { rng.usize(..BUCKETS) } else { bucket };
                buckets[when][node].measured += 1.0;
            }
        }
        for bucket in &mut buckets {
            let all: f64 = bucket.iter().map(|c| c.measured).sum();
            #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
            bucket.iter_mut().for_each(|cell| cell.expected = all / nodes as f64);
        }
        let per_choice = matches!(clients, Clients::Bound(_)).then(|| f64::from(requests) / choices);
        Self { buckets, per_choice }
    }

    fn judged(&self) -> Verdict {
        judge(&sum(&self.buckets), dispersion(&self.buckets), self.per_choice)
    }

    /// Pearson's chi-square against the expected shares at 1 %, with Wilson and Hilferty's approximation of its tail.
    fn plain_alarm(&self) -> bool {
        let cells = sum(&self.buckets);
        let x2: f64 = cells.iter().map(|c| (c.measured - c.expected).powi(2) / c.expected).sum();
        #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
        let freedom = (cells.len() - 1) as f64;
        let spread = 2.0 / (9.0 * freedom);
        normal::tail(((x2 / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()) < 0.01
    }
}

/// A size of at least 1, with this mean.
fn geometric(rng: &mut Rng, mean: u32) -> u32 {
    let stop = 1.0 / f64::from(mean);
    let mut size = 1;
    while rng.f64() >= stop {
        size += 1;
    }
    size
}

impl std::fmt::Display for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Independent => write!(f, "independent"),
            Self::Bursts(mean) => write!(f, "bursts of {mean}"),
            Self::Bound(mean) => write!(f, "bound, {mean} each"),
        }
    }
}

/// The table as Markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut page = String::from(
        "| nodes | clients | requests | false alarms | plain chi-square | alarms at 1.15 | missed 2:1 |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for l in lines {
        let percent = [l.false_alarms, l.plain, l.tolerated, l.missed].map(|part| format!("{:.1} %", 100.0 * part));
        page += &format!("| {} | {} | {} | {} |\n", l.nodes, l.clients, l.requests, percent.join(" | "));
    }
    page
}

/// The table as one line of JSON.
pub fn json(lines: &[Line]) -> serde_json::Value {
    let one = |l: &Line| {
        serde_json::json!({
            "nodes": l.nodes, "clients": l.clients.to_string(), "requests": l.requests, "false_alarms": l.false_alarms,
            "plain_chi_square": l.plain, "alarms_at_1_15": l.tolerated, "missed_2_to_1": l.missed,
        })
    };
    serde_json::json!({ "trials": TRIALS, "max_skew": LIMIT, "lines": lines.iter().map(one).collect::<Vec<_>>() })
}
