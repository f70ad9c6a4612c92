//! The dashboard, the alert rules and the manual name the metrics that there are, and a real Prometheus reads them.

use super::client::{Place, configure, free_port, metrics_at, serving};
use super::daemon::Alone;
use super::page::Page;
use super::stage::{LIMIT, note, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every string below `value` that stands under the name `expr` or `query`.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| expressions(one, found)),
        Value::Object(map) => {
            for (name, one) in map {
                match one {
                    Value::String(text) if ["expr", "query"].contains(&name.as_str()) => {
                        found.push(text.clone());
                    }
                    _ => expressions(one, found),
                }
            }
        }
        _ => {}
    }
}

fn dashboard() -> Vec<String> {
    let board: Value = serde_json::from_str(&read("examples/grafana.json")).unwrap();
    let mut found = Vec::new();
    expressions(&board, &mut found);
    found.retain(|text| text.contains("notifyd_"));
    assert!(found.len() > 15, "{found:?}");
    found
}

fn alerts() -> Vec<String> {
    let text = read("examples/alerts.yml");
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let found: Vec<String> = lines.map(str::to_owned).collect();
    assert_eq!(found.len(), text.matches("- alert:").count());
    assert!(found.len() > 5);
    found
}

/// What an expression selects: each name of ours with its matchers (label, value).
fn selectors(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("notifyd_") {
        rest = &rest[at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let mut matchers = Vec::new();
        if let Some(inner) = after.strip_prefix('{') {
            let (inner, behind) = inner.split_once('}').unwrap();
            rest = behind;
            for matcher in inner.split(',') {
                let at = matcher.find(['=', '!']).unwrap();
                let (label, value) = matcher.split_at(at);
                let value = value.trim_start_matches(['=', '!', '~']).trim_matches('"');
                for one in value.split('|') {
                    matchers.push((label.trim().to_owned(), one.to_owned()));
                }
            }
        }
        found.push((name.to_owned(), matchers));
    }
    found
}

/// The labels by which an expression groups.
fn groups(expression: &str) -> Vec<&str> {
    let lists = expression.split("by (").skip(1);
    lists
        .flat_map(|rest| rest.split(')').next().unwrap().split(','))
        .map(str::trim)
        .collect()
}

/// What is wrong with an expression, given what a daemon says. Prometheus adds `job` and `instance` itself.
fn wrong(expression: &str, page: &Page) -> Vec<String> {
    let from_prometheus = |label: &str| ["job", "instance"].contains(&label);
    let mut wrong = Vec::new();
    let selectors = selectors(expression);
    for (name, matchers) in &selectors {
        if !page.names().contains(name) {
            wrong.push(format!("no metric {name}"));
        }
        for (label, value) in matchers.iter().filter(|(label, _)| !from_prometheus(label)) {
            if !page.labels(name, label).contains(value) {
                wrong.push(format!("{name}: no {label}={value}"));
            }
        }
    }
    for label in groups(expression) {
        let known = |(name, _): &(String, _)| !page.labels(name, label).is_empty();
        if !from_prometheus(label) && !selectors.iter().any(known) {
            wrong.push(format!("no label {label}"));
        }
    }
    wrong
}

#[test]
fn dashboard_and_alerts_name_what_there_is() {
    let (_alone, place) = serving(&[]);
    let page = place.page().unwrap();
    let mut named = BTreeSet::new();
    for expression in dashboard().iter().chain(&alerts()) {
        assert_eq!(wrong(expression, &page), [""; 0], "{expression}");
        named.extend(selectors(expression).into_iter().map(|(name, _)| name));
    }
    assert!(named.len() > 15, "{named:?}");
    // And that mistakes are seen.
    for bad in [
        "rate(notifyd_recieved_total[5m])",
        "notifyd_queue{state=\"defered\"}",
        "notifyd_queue{stat=~\"hold|failed\"}",
        "sum by (methods) (notifyd_queue)",
    ] {
        assert_eq!(
            wrong(bad, &page).len(),
            if bad.contains('|') { 2 } else { 1 },
            "{bad}"
        );
    }
}

#[test]
fn the_manual_lists_the_metrics() {
    let (_alone, place) = serving(&[]);
    let page = place.page().unwrap();
    let there: BTreeSet<String> = page
        .families
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        })
        .collect();
    let manual = read("man/notifyd.8");
    let section = manual.split("\n.Sh METRICS\n").nth(1).unwrap();
    let section = section.split("\n.Sh ").next().unwrap();
    let items: Vec<Vec<&str>> = section
        .lines()
        .filter_map(|line| line.strip_prefix(".It Va "))
        .map(|item| {
            item.split([' ', ','])
                .filter(|word| !word.is_empty())
                .collect()
        })
        .collect();
    let documented: BTreeSet<String> = items.iter().map(|item| item[0].to_owned()).collect();
    assert_eq!(documented, there);
    // `.It Va name Bq label , label`
    for item in items {
        for label in item.iter().skip(2) {
            let names = [item[0].to_owned(), format!("{}_count", item[0])];
            assert!(
                names
                    .iter()
                    .any(|name| !page.labels(name, label).is_empty()),
                "{item:?}: no label {label}"
            );
        }
    }
    for reason in page.labels("notifyd_degraded", "reason") {
        assert!(section.contains(&format!(".Cm {reason}")), "{reason}");
    }
}

fn promtool(args: &[&str]) -> String {
    let output = Command::new("promtool")
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("promtool");
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs Debian's prometheus: run tests/run"]
fn promtool_finds_the_alerts_right() {
    let rules = alerts().len();
    let text = promtool(&["check", "rules", "--lint-fatal", "examples/alerts.yml"]);
    assert!(
        text.contains(&format!("SUCCESS: {rules} rules found")),
        "{text}"
    );
    let text = promtool(&["test", "rules", "tests/fixtures/alerts_test.yml"]);
    assert!(text.contains("SUCCESS"), "{text}");
    // Each of them is tried in both directions.
    let tests = read("tests/fixtures/alerts_test.yml");
    for line in read("examples/alerts.yml").lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            let times = tests
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| *word == name)
                .count();
            assert_eq!(times, 2, "{name}");
        }
    }
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one on this configuration; where it serves.
fn prometheus(alone: &Alone, target: &Place) -> (Prometheus, Place) {
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: [\"{}\"]\n\
         scrape_configs:\n  - job_name: notifyd\n    static_configs: [ {{ targets: [\"{}\"] }} ]\n",
        path("examples/alerts.yml").display(),
        target.name(),
    );
    fs::write(alone.path("prometheus.yml"), config).unwrap();
    let address = free_port();
    let log = fs::File::create(alone.path("prometheus.log")).unwrap();
    let child = Command::new("prometheus")
        .arg(format!(
            "--config.file={}",
            alone.path("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            alone.path("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("prometheus");
    (Prometheus(child), Place::Tcp(address))
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The answer of Prometheus to an API call, once it answers.
fn api(place: &Place, path: &str) -> Option<Value> {
    let request = format!("GET /api/v1/{path} HTTP/1.0\r\n\r\n");
    let answer = place.ask(request.as_bytes()).ok()?;
    let value: Value = serde_json::from_str(&answer.body).ok()?;
    (value["status"] == "success").then_some(value)
}

#[test]
#[ignore = "needs Debian's prometheus: run tests/run"]
fn a_real_prometheus_reads_all_of_it() {
    let mut alone = Alone::new();
    let target = Place::Tcp(free_port());
    configure(&alone, &metrics_at(&target), &[]);
    alone.spawn_ready();
    for _ in 0..3 {
        alone.send(&note("null"));
    }
    let (_process, place) = prometheus(&alone, &target);
    wait_for("a scrape by Prometheus", LIMIT, || {
        let answer = api(&place, "query?query=notifyd_received_total")?;
        (answer["data"]["result"][0]["value"][1] == "3").then_some(())
    });
    // It has every sample that the daemon shows, and found nothing wrong.
    let names = api(&place, "label/__name__/values").unwrap();
    let names: BTreeSet<&str> = names["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for name in target.page().unwrap().names() {
        assert!(names.contains(name.as_str()), "{name}");
    }
    let targets = api(&place, "targets").unwrap();
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into())
    );
    for expression in dashboard() {
        if expression.starts_with("label_values") {
            continue; // Grafana's own
        }
        let expression = expression
            .replace("$__rate_interval", "5s")
            .replace("$job", ".*")
            .replace("$instance", ".*");
        let answer = api(&place, &format!("query?query={}", escape(&expression)));
        assert!(answer.is_some(), "{expression}");
    }
    wait_for("the rules", LIMIT, || {
        let rules = api(&place, "rules")?;
        let rules = rules["data"]["groups"][0]["rules"].as_array()?.clone();
        let good = |rule: &Value| rule["health"] == "ok" && rule["state"] == "inactive";
        (rules.len() == alerts().len() && rules.iter().all(good)).then_some(())
    });
}
