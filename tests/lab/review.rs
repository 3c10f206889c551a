//! The review on real systems: a clean set-up has no finding, and faults that are planted in HAProxy, NGINX, systemd, on
//! the nodes' disks and in the zone are found by their codes, and by nothing else.

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::{
    harness::Tidegate,
    lab::{Entrance, Lab, Proxy, RouteText, TidegateConfig},
};

use super::stage::{NODE, Routes, restore, run, text, within};

const UNIT: &str = "/etc/systemd/system/app.service";
const ARCHIVE: &str = "/usr/local/lib/lab/app.py";

/// A name that leads to two HAProxy, which can be drained from it, and everything said that a review asks for.
fn config(proxy: RouteText) -> TidegateConfig {
    TidegateConfig {
        // WebSockets may stay open for longer than a drain waits, so their end is decided.
        max_age: "2h".into(),
        entrance: Some((Entrance::named("web", 80), vec![RouteText::Dns("web", vec!["lb-1", "lb-2"]), proxy])),
        service_extra: format!("objective = {{ failover = \"15s\" }}\narchives = [\"{ARCHIVE}\"]\n"),
        extra: "[[node]]\nname = \"lb-1\"\naddress = \"10.77.0.21\"\noutside = true\n\n\
                [[node]]\nname = \"lb-2\"\naddress = \"10.77.0.22\"\noutside = true\n"
            .into(),
        ..TidegateConfig::default()
    }
}

fn tidegate<'a>(lab: &'a Lab, name: &str, config: &TidegateConfig, edits: &[(&str, &str)]) -> Result<Tidegate<'a>> {
    let path = lab.write_config(name, config)?;
    let mut written = std::fs::read_to_string(&path)?;
    for (from, to) in edits {
        ensure!(written.contains(from), "{name} has no {from}");
        written = written.replace(from, to);
    }
    std::fs::write(&path, written)?;
    Ok(Tidegate::new(lab, path))
}

/// What is found: codes with what they are about. The exit code is that of the findings.
fn found(tidegate: &Tidegate<'_>, code: i32) -> Result<Vec<String>> {
    let value = run(tidegate, code, &["check", "--json"])?;
    let findings: &[Value] = value["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<String> =
        findings.iter().map(|f| format!("{} {}: {}", text(f, "code"), text(f, "about"), text(f, "what"))).collect();
    told.sort();
    Ok(told)
}

/// Exactly these, each by how it begins.
fn only(tidegate: &Tidegate<'_>, code: i32, expected: &[&str]) -> Result<()> {
    let told = found(tidegate, code)?;
    let fits = told.len() == expected.len() && told.iter().zip(expected).all(|(t, e)| t.starts_with(e));
    ensure!(fits, "expected {expected:#?}, found {told:#?}");
    Ok(())
}

fn on_node(lab: &Lab, script: &str) -> Result<()> {
    lab.shell(NODE, script).map(drop)
}

#[test]
#[ignore = "needs the lab"]
fn planted_faults_are_found_and_a_clean_set_up_has_none() -> Result<()> {
    Routes::clean(&[Proxy::Haproxy])?.play(|lab| {
        let clean = tidegate(lab, "review.toml", &config(RouteText::HaproxyOutside), &[])?;
        only(&clean, 0, &[])?;
        on_disks_and_in_systemd(lab, &clean)?;
        in_load_balancers(lab, &clean)?;
        in_the_configuration(lab)?;
        // A drain that was brought back counts as the drill.
        let drilled = [("[journal]", "[review]\nplanned-drill-max-age = \"1h\"\n\n[journal]")];
        let drilled = tidegate(lab, "review-drill.toml", &config(RouteText::HaproxyOutside), &drilled)?;
        let old = ["node-1", "node-2", "node-3"].map(|node| format!("drill-planned-old {node}"));
        only(&drilled, 0, &old.each_ref().map(String::as_str))?;
        run(&drilled, 0, &["drain", NODE, "--yes", "--json"])?;
        restore(&drilled)?;
        only(&drilled, 0, &["drill-planned-old node-1", "drill-planned-old node-3"])?;
        in_nginx(lab)
    })
}

/// On one node the unit is another one and enabled, and what is deployed has a line more.
fn on_disks_and_in_systemd(lab: &Lab, clean: &Tidegate<'_>) -> Result<()> {
    on_node(
        lab,
        &format!(
            "cp -p {UNIT} /root/unit && cp -p {ARCHIVE} /root/archive && echo '# other' >> {ARCHIVE} && \
             printf '[Install]\\nWantedBy=multi-user.target\\n' >> {UNIT} && systemctl daemon-reload && \
             systemctl --quiet enable app.service"
        ),
    )?;
    let unit = format!("{NODE}: app.service");
    let expected =
        [format!("archive-differs {NODE}: {ARCHIVE}"), format!("unit-differs {unit}"), format!("unit-enabled {unit}")];
    only(clean, 1, &expected.each_ref().map(String::as_str))?;
    on_node(
        lab,
        &format!(
            "systemctl --quiet disable app.service && cp -p /root/unit {UNIT} && cp -p /root/archive {ARCHIVE} && \
             mkdir -p /etc/systemd/system/app.service.d && \
             printf '[Service]\\nTimeoutStopSec=infinity\\n' > /etc/systemd/system/app.service.d/x.conf && \
             systemctl daemon-reload"
        ),
    )?;
    only(clean, 1, &[&format!("stop-endless {unit}"), &format!("unit-differs {unit}")])?;
    on_node(lab, "rm -r /etc/systemd/system/app.service.d && systemctl daemon-reload")?;
    lab.exec("node-1", &["pcs", "resource", "update", "app_service", "op", "stop", "timeout=5s"])?;
    only(clean, 1, &["stop-fences service app"])?;
    lab.exec("node-1", &["pcs", "resource", "update", "app_service", "op", "stop", "timeout=100s"])?;
    only(clean, 0, &[])
}

/// HAProxy on both load balancers: a bare port check; no header, and slow; clients that are bound.
fn in_load_balancers(lab: &Lab, clean: &Tidegate<'_>) -> Result<()> {
    let faults: [(&str, &[&str]); 3] = [
        ("/httpchk/d; /http-check/d", &["check-port-only"]),
        ("/forwardfor/d; s/inter 5s/inter 8s/", &["failover-check-slow", "identity-lost"]),
        ("s/balance roundrobin/balance source/", &["affinity-undeclared"]),
    ];
    let both = |script: &str| ["lb-1", "lb-2"].iter().try_for_each(|lb| lab.shell(lb, script).map(drop));
    let file = "/etc/haproxy/haproxy.cfg";
    both(&format!("cp {file} /root/haproxy.cfg"))?;
    for (edit, rules) in faults {
        both(&format!("sed '{edit}' /root/haproxy.cfg > {file} && systemctl reload haproxy.service"))?;
        let expected: Vec<String> =
            rules.iter().flat_map(|rule| ["lb-1", "lb-2"].map(|lb| format!("{rule} {lb} (web/haproxy:app)"))).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        // Right after a reload the servers are not checked yet.
        within(30, edit, || Ok(only(clean, 1, &expected).is_ok())).or_else(|_| only(clean, 1, &expected))?;
    }
    both(&format!("cp /root/haproxy.cfg {file} && systemctl reload haproxy.service"))?;
    within(30, "the load balancers as they were", || Ok(only(clean, 0, &[]).is_ok())).or_else(|_| only(clean, 0, &[]))
}

/// What the configuration says against what is there, and against itself.
fn in_the_configuration(lab: &Lab) -> Result<()> {
    let outside = || config(RouteText::HaproxyOutside);
    let edits: &[(&str, &str, i32, &str)] = &[
        ("failover = \"15s\"", "failover = \"1s\"", 1, "failover-check-slow lb-1"),
        ("ttl = \"2s\"", "ttl = \"5m\"", 0, "ttl-differs web/dns:web.lab.example"),
        ("deadline = \"10m\"", "deadline = \"2s\"", 1, "ttl-past-deadline web/dns:web.lab.example"),
        ("client-identity = \"x-forwarded-for\"", "client-identity = \"proxy-protocol\"", 1, "identity-lost lb-1"),
        ("\"web.lab.example\"", "\"nobody.lab.example\"", 1, "name-unresolved entrypoint web"),
        ("\"web.lab.example\"", "\"app.lab.example\"", 1, "name-elsewhere entrypoint web"),
    ];
    for (from, to, code, expected) in edits {
        let other = tidegate(lab, "review-other.toml", &outside(), &[(from, to)])?;
        let told = found(&other, *code)?;
        ensure!(told.iter().any(|t| t.starts_with(expected)), "{expected}: {told:#?}");
    }
    // One load balancer alone: found without asking anybody.
    let path = lab.write_config("review-one.toml", &outside())?;
    let whole = std::fs::read_to_string(&path)?;
    let one: String =
        whole.lines().filter(|l| !l.contains("name = \"lb-2\", socket")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&path, one)?;
    let value = run(&Tidegate::new(lab, path), 0, &["check", "--offline", "--json"])?;
    ensure!(value["findings"][0]["code"] == "single-balancer" && value["findings"][1].is_null(), "{value}");
    Ok(())
}

/// NGINX by `nginx -T`: the lab's checks nothing, on purpose, and so every failed request shows in other tests.
fn in_nginx(lab: &Lab) -> Result<()> {
    lab.run_proxies(&[Proxy::Nginx])?;
    let nginx = tidegate(lab, "review-nginx.toml", &config(RouteText::Nginx), &[])?;
    let both = ["lb-1", "lb-2"].map(|lb| format!("check-missing {lb} (web/nginx:app)"));
    only(&nginx, 1, &both.each_ref().map(String::as_str))
}
