//! The pages in a real browser: the charts are there, nothing is logged, and nothing is asked for.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use tidegate::drill::report::{Evidence, html};

use super::{devtools::Browser, samples};

/// The picture in the documentation; `TIDEGATE_WRITE=1` takes it anew.
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/report.png");

/// What is measured of each chart on the page.
#[derive(Debug, Deserialize)]
struct Chart {
    id: String,
    width: f64,
    height: f64,
    bands: usize,
    marks: usize,
    /// Lengths of the strokes that were drawn.
    drawn: Vec<f64>,
    /// Their colours, as the browser sees them.
    colours: Vec<String>,
    words: String,
    rows: usize,
}

const CHARTS: &str = "[...document.querySelectorAll('svg.chart')].map(chart => {
    const box = chart.getBoundingClientRect();
    const paths = [...chart.querySelectorAll('path')];
    const style = path => getComputedStyle(path);
    return {
        id: chart.id, width: box.width, height: box.height,
        bands: chart.querySelectorAll('rect.band').length,
        marks: chart.querySelectorAll('line.mark').length,
        drawn: paths.map(path => path.getTotalLength()),
        colours: paths.map(path => style(path).fill === 'none' ? style(path).stroke : style(path).fill),
        words: chart.querySelector('title').textContent + ': ' + chart.querySelector('desc').textContent,
        rows: chart.closest('figure').querySelectorAll('details tbody tr').length,
    };
})";

#[test]
fn reports_open_in_a_browser_with_their_charts_and_ask_for_nothing() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    notices_a_bad_page(&mut browser, folder.path())?;
    let all = ["requests", "failures", "latency", "shares"];
    let expected: [(&str, Vec<&str>, usize, usize); 4] = [
        ("planned", all.into_iter().chain(["skew", "connections", "ready"]).collect(), 8, 0),
        ("unplanned", all.to_vec(), 4, 2),
        ("aborted", Vec::new(), 0, 0),
        ("unknown", Vec::new(), 0, 0),
    ];
    for ((name, evidence), (expected_name, ids, bands, marks)) in samples::all().into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        let charts = open(&mut browser, folder.path(), name, &evidence)?;
        assert_eq!(charts.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ids, "{name}");
        for chart in &charts {
            ensure!(chart.width > 500.0 && chart.height > 60.0, "{name}: {chart:?} has no size");
            ensure!((chart.bands, chart.marks) == (bands, marks), "{name}: {chart:?}");
            // Nothing failed in the planned one: its chart of failures is empty on purpose.
            let empty = name == "planned" && chart.id == "failures";
            let drawn = chart.drawn.iter().all(|length| *length > 50.0);
            ensure!(!chart.drawn.is_empty() && drawn != empty, "{name}: {chart:?}");
            ensure!(chart.colours.iter().all(|c| c.starts_with("rgb(") && c != "rgb(0, 0, 0)"), "{name}: {chart:?}");
            ensure!(chart.words.len() > 20 && chart.rows > 15, "{name}: {chart:?}");
        }
    }
    by_night_small_and_on_paper(&mut browser, folder.path())
}

/// Opens a page that has to be spotless, and measures its charts.
fn open(browser: &mut Browser, folder: &Path, name: &str, evidence: &Evidence) -> Result<Vec<Chart>> {
    let file = folder.join(format!("{name}.html"));
    fs::write(&file, html(evidence))?;
    let seen = browser.open(&file)?;
    ensure!(seen.requests.is_empty(), "{name} asks for {:?}", seen.requests);
    ensure!(seen.logged.is_empty(), "{name} logs {:?}", seen.logged);
    let verdict = browser.evaluate("document.querySelector('#verdict strong').textContent")?;
    ensure!(verdict == evidence.verdict.outcome.words(), "{name}: {verdict}");
    serde_json::from_value(browser.evaluate(CHARTS)?).context("what was measured")
}

/// A page that logs and asks is noticed: else nothing that follows would say anything.
fn notices_a_bad_page(browser: &mut Browser, folder: &Path) -> Result<()> {
    let file = folder.join("bad.html");
    fs::write(&file, "<script>console.error('a word'); nothing()</script><img src='http://127.0.0.1:9/x.png'>")?;
    let seen = browser.open(&file)?;
    ensure!(seen.requests.iter().any(|url| url.contains("127.0.0.1:9")), "{seen:?}");
    ensure!(seen.logged.len() >= 2, "a word and an error: {seen:?}");

    // What got through unescaped would still load and run nothing.
    let mut page = html(&samples::unknown());
    page.insert_str(page.find("<main>").context("a page")?, "<script>document.title='x'</script>");
    fs::write(&file, page)?;
    let seen = browser.open(&file)?;
    ensure!(seen.logged.iter().any(|l| l.contains("Content Security Policy")), "{seen:?}");
    ensure!(browser.evaluate("document.title")? != "x", "the script ran");
    Ok(())
}

fn by_night_small_and_on_paper(browser: &mut Browser, folder: &Path) -> Result<()> {
    const GROUND: &str = "getComputedStyle(document.body).backgroundColor";
    open(browser, folder, "unplanned", &samples::unplanned())?;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.call("Emulation.setEmulatedMedia", media)?;
        grounds.push(browser.evaluate(GROUND)?);
    }
    ensure!(grounds[0] != grounds[1], "the same by day and by night: {grounds:?}");
    let printed = browser.call("Page.printToPDF", json!({ "printBackground": true }))?;
    ensure!(printed["data"].as_str().is_some_and(|pdf| pdf.starts_with("JVBERi0") && pdf.len() > 20_000), "no PDF");

    browser.call("Emulation.setDeviceMetricsOverride", metrics(390, 800))?;
    let width = browser.evaluate("document.documentElement.scrollWidth")?;
    ensure!(width.as_u64().is_some_and(|width| width <= 390), "wider than a small screen: {width}");

    browser.call(
        "Emulation.setEmulatedMedia",
        json!({ "features": [{ "name": "prefers-color-scheme", "value": "light" }] }),
    )?;
    browser.call("Emulation.setDeviceMetricsOverride", metrics(960, 1720))?;
    let shot = browser.call("Page.captureScreenshot", json!({ "format": "png" }))?;
    let picture = data_encoding::BASE64.decode(shot["data"].as_str().context("no picture")?.as_bytes())?;
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        fs::create_dir_all(Path::new(PICTURE).parent().context("a folder")?)?;
        fs::write(PICTURE, &picture)?;
    }
    let kept = fs::metadata(PICTURE).context("TIDEGATE_WRITE=1 takes the picture of the documentation")?;
    ensure!(kept.len() < 300_000, "the picture is too large to keep: {} bytes", kept.len());
    Ok(())
}

fn metrics(width: u32, height: u32) -> serde_json::Value {
    json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false })
}
